"""Rules for imports, for replaced names, and for the length of functions and files."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from genmodels.ui import TABS
from tests.conftest import ROOT

FILES = [
    str(path.relative_to(ROOT))
    for pattern in ("app.py", "genmodels/**/*.py", "training/**/*.py")
    for path in sorted(ROOT.glob(pattern))
]

MAX_FUNCTION_LINES = 60
MAX_FILE_LINES = 400
LONG_FILES: set[str] = set()  # exceptions, each with a comment that gives the reason

# (folder or file, modules that it must not import)
FORBIDDEN_IMPORTS = [
    ("genmodels/", ["training", "pickle"]),
    ("training/objectives/", ["accelerate", "training.core.loop", "training.core.checkpoints"]),
    ("training/objectives/", ["training.configs", "training.release", "training.studies"]),
    ("training/core/", ["training.studies"]),
    ("", ["torchvision", "scipy"]),
]

# (module, only folders and files that may import it)
ALLOWED_IMPORTERS = [
    ("gradio", ["genmodels/ui/", "app.py"]),
    ("genmodels.ui", ["genmodels/ui/", "app.py"]),
    ("datasets", ["genmodels/data/"]),
    ("accelerate", ["training/", "genmodels/metrics/__main__.py"]),
]

# Packages of the library, and the packages that each may import.
LAYERS = {
    "networks": {"networks"},
    "media": {"media"},
    "data": {"data"},
    "distances": {"distances"},
    "latents": {"latents", "pipelines", "networks", "media"},
    "pipelines": {"pipelines", "networks", "media", "latents"},
    "inpainting": {"inpainting", "metrics", "pipelines", "networks", "media", "latents", "data"},
    "metrics": {"metrics", "distances", "pipelines", "networks", "media", "latents", "data"},
}
BASE_MODULES = {"class_labels", "errors", "hub", "device"}

# Besides torch and diffusers, networks import these.
STANDARD_LIBRARY = {"collections", "dataclasses", "functools", "itertools", "math", "typing"}

# Names that were replaced, as regular expressions. Words match any part of an identifier in
# snake_case or CamelCase, identifiers match as a whole.
OLD_WORDS = "eyes|sheets?|games?|players?|obedience|halflife|foreign"
OLD_PHRASES = "in_turn|go_on_from"
OLD_IDENTIFIERS = (
    "Averages|Captured|play|turn|moving|forming|asking|sharing|wish|amiss|whence|"
    "found|told|drawn|given|seen|kept|shown|asked|taken"
)
OLD_MODULES = (
    "sheets|game|graphs|asking|sharing|words|runs|samples|reference|overview|measurement|"
    "measuring|plane|maps|descent|foreign|precision|images"
)
STANDARD_NAMES = {"ema_halflife"}  # standard terms that contain a replaced word


def imports(file: str) -> set[str]:
    """Return the full names of the modules and names that a file imports."""
    package = file.removesuffix(".py").split("/")[:-1]
    names = set()
    for node in ast.walk(parse(file)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            names |= {f"{module}.{alias.name}" for alias in node.names}
    return names


def parse(file: str) -> ast.Module:
    return ast.parse((ROOT / file).read_text())


def uses(file: str, module: str) -> bool:
    return any(name == module or name.startswith(module + ".") for name in imports(file))


@pytest.mark.parametrize("file", FILES)
def test_imports(file: str) -> None:
    for place, modules in FORBIDDEN_IMPORTS:
        for module in modules:
            assert not (file.startswith(place) and uses(file, module)), f"{file} imports {module}"
    for module, places in ALLOWED_IMPORTERS:
        assert file.startswith(tuple(places)) or not uses(file, module), f"{file} imports {module}"
    package, _, subpackage = Path(file).parent.as_posix().partition("/")
    subpackage = subpackage.split("/")[0]
    if package == "genmodels" and subpackage in LAYERS:
        dependencies = {
            name.split(".")[1] for name in imports(file) if name.startswith("genmodels.")
        }
        assert dependencies <= LAYERS[subpackage] | BASE_MODULES, (
            f"genmodels.{subpackage} imports {dependencies}"
        )
    if file.startswith("genmodels/metrics/") and not file.endswith("/evaluation.py"):
        assert not uses(file, "genmodels.pipelines")
    if file.startswith("genmodels/ui/") and file.endswith("actions.py"):
        assert not uses(file, "gradio"), "components belong in view.py"
    if subpackage == "networks":
        libraries = {name.split(".")[0] for name in imports(file)} - {"genmodels"}
        assert libraries <= {"torch", "diffusers"} | STANDARD_LIBRARY, libraries


def test_imported_packages_are_required() -> None:
    """A dependency of a dependency may change its name with the next release."""
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    required = {re.split("[<>=]", line)[0].lower().replace("_", "-") for line in lines}
    packages = {name.split(".")[0] for file in FILES for name in imports(file)}
    for package in packages - sys.stdlib_module_names - {"genmodels", "training"}:
        distributions = packages_distributions().get(package, [package])
        assert required & {name.lower().replace("_", "-") for name in distributions}, package


def test_tabs_do_not_import_each_other() -> None:
    modules = {module_of(tab.__module__) for tab in TABS.values()}
    assert len(modules) == len(TABS)
    for file in FILES:
        own_module = module_of(file.removesuffix(".py").replace("/", "."))
        if own_module in modules:
            for other in modules - {own_module}:
                assert not uses(file, other), f"{file} imports the tab {other}"


def module_of(name: str) -> str:
    """Return the file or package directly in genmodels.ui that a module belongs to."""
    return ".".join(name.split(".")[:3])


def test_top_level_is_fixed() -> None:
    tracked = subprocess.check_output(["git", "ls-files"], cwd=ROOT, text=True).splitlines()
    visible = {name.split("/")[0] for name in tracked if not name.startswith(".")}
    folders = {"genmodels", "training", "checkpoints", "tests"}
    files = {"app.py", "requirements.txt", "README.md", "Makefile", "LICENSE", "pyproject.toml"}
    assert visible - {"CITATION.cff"} == folders | files


def identifiers(file: str) -> Iterator[tuple[str, int]]:
    """Yield the names that a file defines or uses, with their lines."""
    for node in ast.walk(parse(file)):
        line = getattr(node, "lineno", 0)
        for field in ("id", "attr", "arg", "name", "asname"):
            value = getattr(node, field, None)
            if isinstance(value, str) and not isinstance(node, ast.alias):
                yield value, line


def is_old(identifier: str) -> bool:
    """Return whether an identifier is or contains a name that was replaced."""
    if identifier in STANDARD_NAMES:
        return False
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+", identifier)
    return bool(
        any(re.fullmatch(OLD_WORDS, word.lower()) for word in words)
        or re.search(OLD_PHRASES, identifier)
        or re.fullmatch(OLD_IDENTIFIERS, identifier)
    )


@pytest.mark.parametrize("file", FILES)
def test_replaced_names_are_not_used(file: str) -> None:
    lines = {name: line for name, line in identifiers(file) if is_old(name)}
    assert not lines, f"{file}: {lines}"
    path = Path(file)
    name = path.parent.name if path.stem == "__init__" else path.stem
    assert not re.fullmatch(OLD_MODULES, name)


@pytest.mark.parametrize("file", FILES)
def test_functions_and_files_are_short(file: str) -> None:
    for node in ast.walk(parse(file)):
        if isinstance(node, ast.FunctionDef):
            length = node.end_lineno - node.lineno + 1
            assert length <= MAX_FUNCTION_LINES, f"{file}:{node.lineno} {node.name}: {length} lines"
    length = len((ROOT / file).read_text().splitlines())
    assert length <= MAX_FILE_LINES or file in LONG_FILES, f"{file}: {length} lines"


@pytest.mark.parametrize(
    ("identifier", "old"),
    [
        ("EyesOfDomain", True),
        ("GAMES_BY_NAME", True),
        ("halflife", True),
        ("labels_in_turn", True),
        ("found", True),
        ("ema_halflife", False),
        ("removing", False),
        ("earth_moving", False),
        ("not_found", False),
    ],
)
def test_replaced_names_match_whole_words(identifier: str, old: bool) -> None:
    assert is_old(identifier) == old


def test_rules_detect_violations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "genmodels/networks").mkdir(parents=True)
    file = "genmodels/networks/invalid.py"
    monkeypatch.setattr("tests.test_architecture.ROOT", tmp_path)
    (tmp_path / file).write_text("from ..pipelines import load\nfrom .dcgan import Critic\n")
    assert imports(file) == {"genmodels.pipelines.load", "genmodels.networks.dcgan.Critic"}
    with pytest.raises(AssertionError, match=r"genmodels\.networks imports"):
        test_imports(file)
    (tmp_path / file).write_text("import numpy\n")
    with pytest.raises(AssertionError, match="numpy"):
        test_imports(file)
    (tmp_path / file).write_text("def f(eyes): ...\n")
    with pytest.raises(AssertionError, match="eyes"):
        test_replaced_names_are_not_used(file)
    (tmp_path / file).write_text("def f():\n" + "    x = 1\n" * 60)
    with pytest.raises(AssertionError, match="61 lines"):
        test_functions_and_files_are_short(file)
