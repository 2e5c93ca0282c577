"""The published models that the app offers, each loaded once."""

from functools import lru_cache
from pathlib import Path

from genmodels.pipelines import LatentPipeline, from_folder, from_hub


class Models:
    """Folders of published pipelines, and any Hub id."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.names = sorted(path.parent.name for path in folder.glob("*/model_index.json"))
        self.load = lru_cache(maxsize=16)(self._load)

    def get(self, name: object) -> LatentPipeline:
        """A name in the folder, or the id "user/name" of a repository on the Hub.

        A visitor may ask for anything: no other path of the server is ever looked up.
        Raises ValueError as `genmodels.load`.
        """
        if not isinstance(name, str) or not name:
            raise ValueError("expected a model of the list or the id of one on the Hub")
        return self.load(name)

    def _load(self, name: str) -> LatentPipeline:
        return from_folder(self.folder / name) if name in self.names else from_hub(name)
