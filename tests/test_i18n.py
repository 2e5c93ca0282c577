"""UI texts: the same keys in every language, each of them used."""

import ast
import json
import re

import pytest

from genmodels.ui.i18n import LOCALES
from genmodels.ui.laboratory.actions import DRAWING
from tests.conftest import ROOT
from training.studies.toy2d import DATASETS

TEXTS = {file.stem: json.loads(file.read_text("utf-8")) for file in LOCALES.glob("*.json")}


def used_keys() -> list[str]:
    """Return a regular expression for the key of each call of `translate`."""
    patterns = []
    for file in ROOT.glob("genmodels/ui/**/*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                patterns.append(re.escape(node.value))
            elif isinstance(node, ast.JoinedStr):
                parts = [
                    re.escape(part.value) if isinstance(part, ast.Constant) else r"\w+"
                    for part in node.values
                ]
                patterns.append("".join(parts))
    return patterns


def test_languages_have_the_same_keys() -> None:
    assert set(TEXTS) == {"en", "ru"}
    assert list(TEXTS["en"]) == list(TEXTS["ru"])
    assert all(text.strip() for texts in TEXTS.values() for text in texts.values())


@pytest.mark.parametrize("key", TEXTS["en"])
def test_formulas_and_code_are_the_same_in_every_language(key: str) -> None:
    english, russian = (re.findall(r"\$.+?\$|`.+?`", TEXTS[it][key]) for it in ("en", "ru"))
    assert sorted(english) == sorted(russian)


def test_every_translated_key_exists_and_every_text_is_used() -> None:
    for file in ROOT.glob("genmodels/ui/**/*.py"):
        for key in re.findall(r'translate\("(\w+)"\)', file.read_text()):
            assert key in TEXTS["en"], f"{file.name}: {key}"
    patterns = [
        re.compile(pattern) for pattern in used_keys() if "_" in pattern or pattern in TEXTS["en"]
    ]
    unused = [key for key in TEXTS["en"] if not any(it.fullmatch(key) for it in patterns)]
    assert unused == []


def test_russian_uses_one_word_for_images() -> None:
    words = re.compile("картин|сэмпл", re.IGNORECASE)
    assert [key for key, text in TEXTS["ru"].items() if words.search(text)] == []


def test_all_data_of_the_laboratory_have_a_name() -> None:
    keys = [f"laboratory_data_{name.replace(' ', '_')}" for name in [*DATASETS, DRAWING]]
    assert [key for key in keys if key not in TEXTS["en"]] == []
