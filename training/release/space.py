"""The app as a Space on the Hub: the files of the working tree that it needs."""

from collections.abc import Sequence
from pathlib import Path

from huggingface_hub import RepoCard

from genmodels.data import list_files

ROOT = Path(__file__).parents[2]

# The app's 2-D laboratory trains, so it needs training/ too.
PLACES = ("app.py", "genmodels", "training", "requirements.txt", "README.md", "LICENSE")
MAX_MODEL_BYTES = 50e6  # larger models belong on the Hub


def working_tree(models: Sequence[str] = ()) -> dict[str, Path | bytes]:
    """List the Space's files by path: the code and the small models of checkpoints/.

    The front matter names `models`, Hub ids, so that the Space downloads them at build time.
    """
    places = [ROOT / name for name in PLACES]
    for place in sorted((ROOT / "checkpoints").glob("[!.]*")):
        if sum(file.stat().st_size for file in files_of(place)) <= MAX_MODEL_BYTES:
            places.append(place)
    files: dict[str, Path | bytes] = {
        file.relative_to(ROOT).as_posix(): file for place in places for file in files_of(place)
    }
    if models:
        card = RepoCard.load(ROOT / "README.md", repo_type="space")
        card.data["models"] = card.data["preload_from_hub"] = list(models)
        files["README.md"] = str(card).encode()
    return files


def files_of(place: Path) -> list[Path]:
    """Return a file, or all files in a folder except hidden and compiled ones."""
    paths = [place] if place.is_file() else list_files(place)
    return [path for path in paths if path.is_file() and "__pycache__" not in path.parts]
