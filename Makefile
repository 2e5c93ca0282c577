# All targets install what they need in .venv. They need Python 3.11 or newer.
PYTHON ?= python3
BIN := .venv/bin
export HF_HUB_DISABLE_TELEMETRY = 1

.PHONY: demo test lint bench browser

demo: .venv/.demo  # the app, on http://127.0.0.1:7860
	$(BIN)/python app.py

test: .venv/.test browser  # all tests, on a small subset of real data; SLOW_TESTS=1 adds one of 10 minutes
	$(BIN)/python -m pytest

lint: .venv/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

bench: .venv/.test  # speed benchmarks, which take minutes
	$(BIN)/python -m tests.benchmarks

.venv/bin/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info; v >= (3, 11) or \
	sys.exit(f"expected Python 3.11 or newer, but $(PYTHON) is {v[0]}.{v[1]}: make PYTHON=...")'
	$(PYTHON) -m venv .venv

.venv/.demo: .venv/bin/python requirements.txt
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

.venv/.test: .venv/.demo tests/requirements.txt
	$(BIN)/pip install --quiet --disable-pip-version-check -r tests/requirements.txt
	touch $@

# A browser for the tests of the app: playwright's, or Debian's if that download fails.
browser: .venv/.test
	@command -v chromium > /dev/null || \
	{ $(BIN)/playwright install chromium && $(BIN)/playwright install-deps chromium; } || \
	{ apt-get update && apt-get install --yes chromium; }
