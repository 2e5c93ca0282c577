"""The rules of the house: who may import whom."""

import ast
import subprocess
from pathlib import Path

import pytest

from genmodels.ui import TABS
from tests.conftest import ROOT

FILES = [
    str(path.relative_to(ROOT))
    for pattern in ("app.py", "genmodels/**/*.py", "training/**/*.py")
    for path in sorted(ROOT.glob(pattern))
]


def imports(file: str) -> set[str]:
    """Full names of the modules and names that a file imports, relative ones resolved."""
    package = file.removesuffix(".py").split("/")[:-1]
    found = set()
    for node in ast.walk(ast.parse((ROOT / file).read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            found |= {f"{module}.{alias.name}" for alias in node.names}
    return found


def uses(file: str, module: str) -> bool:
    return any(name == module or name.startswith(module + ".") for name in imports(file))


def inside(file: str, *places: str) -> bool:
    return any(file == place or file.startswith(place) for place in places)


@pytest.mark.parametrize("file", FILES)
def test_imports(file: str) -> None:
    if inside(file, "genmodels/"):
        assert not uses(file, "training")
    if not inside(file, "genmodels/ui/", "app.py"):
        assert not uses(file, "gradio")
        assert not uses(file, "genmodels.ui")
    if not inside(file, "genmodels/data/"):
        assert not uses(file, "datasets")
    if not inside(file, "training/", "genmodels/metrics/__main__.py"):
        assert not uses(file, "accelerate")
    if inside(file, "genmodels/networks/"):
        ours = {name for name in imports(file) if name.startswith("genmodels.")}
        assert all(name.startswith(("genmodels.networks.", "genmodels.errors.")) for name in ours)
    if inside(file, "genmodels/metrics/") and not inside(file, "genmodels/metrics/evaluation.py"):
        assert not uses(file, "genmodels.pipelines")
    if inside(file, "training/objectives/"):
        for other in ("core.loop", "core.checkpoints", "configs", "release", "studies"):
            assert not uses(file, f"training.{other}")
        assert not uses(file, "accelerate")
    if inside(file, "genmodels/"):
        assert not uses(file, "pickle")
    assert not uses(file, "torchvision")
    assert not uses(file, "scipy")


def test_a_tab_never_imports_another_tab() -> None:
    tabs = {tab.build.__module__.split(".")[2] for tab in TABS.values()}
    for tab in tabs:
        files = [f for f in FILES if inside(f, f"genmodels/ui/{tab}.py", f"genmodels/ui/{tab}/")]
        assert files
        for other in tabs - {tab}:
            assert not any(uses(file, f"genmodels.ui.{other}") for file in files)


def test_top_level_is_as_drawn() -> None:
    tracked = subprocess.check_output(["git", "ls-files"], cwd=ROOT, text=True).splitlines()
    visible = {name.split("/")[0] for name in tracked if not name.startswith(".")}
    drawn = {"app.py", "genmodels", "training", "checkpoints", "tests", "requirements.txt"}
    assert visible == drawn | {"README.md", "Makefile", "LICENSE", "pyproject.toml"}


def test_the_rules_see_a_violation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "genmodels/networks").mkdir(parents=True)
    file = "genmodels/networks/wrong.py"
    (tmp_path / file).write_text("from ..pipelines import load\nfrom .dcgan import Critic\n")
    monkeypatch.setattr("tests.test_architecture.ROOT", tmp_path)
    assert imports(file) == {"genmodels.pipelines.load", "genmodels.networks.dcgan.Critic"}
    with pytest.raises(AssertionError):
        test_imports(file)
