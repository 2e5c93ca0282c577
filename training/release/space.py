"""The app as a Space on the Hub: the files of the working tree that it runs on."""

from collections.abc import Sequence
from pathlib import Path

from huggingface_hub import RepoCard

from genmodels.data import list_files

ROOT = Path(__file__).parents[2]

# The laboratory of the app trains, so that it needs training/ too.
PLACES = ("app.py", "genmodels", "training", "requirements.txt", "README.md", "LICENSE")
SMALL = 50e6  # bytes of a model that goes along; larger ones are for the Hub


def working_tree(models: Sequence[str] = ()) -> dict[str, Path | bytes]:
    """The Space's files, by their path: what the app runs on, and the small models.

    models: ids of models on the Hub, which the front matter names and the Space keeps ready
    """
    places = [ROOT / name for name in PLACES]
    for folder in sorted((ROOT / "checkpoints").glob("[!.]*")):
        if sum(file.stat().st_size for file in files_of(folder)) <= SMALL:
            places.append(folder)
    files: dict[str, Path | bytes] = {
        file.relative_to(ROOT).as_posix(): file for place in places for file in files_of(place)
    }
    if models:
        card = RepoCard.load(ROOT / "README.md", repo_type="space")
        card.data["models"] = card.data["preload_from_hub"] = list(models)
        files["README.md"] = str(card).encode()
    return files


def files_of(place: Path) -> list[Path]:
    """A file, or all files below a folder but hidden ones and what Python has compiled."""
    found = [place] if place.is_file() else list_files(place)
    return [
        path
        for path in found
        if path.is_file() and "__pycache__" not in path.relative_to(ROOT).parts
    ]
