"""The published models that the app offers, each loaded once."""

from functools import lru_cache
from pathlib import Path

from genmodels.pipelines import LatentPipeline, from_hub, load


class Models:
    """Folders of published pipelines, and any Hub id."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.names = sorted(path.parent.name for path in folder.glob("*/model_index.json"))
        self.get = lru_cache(maxsize=16)(self._get)

    def _get(self, name: str | None) -> LatentPipeline:
        """A name in the folder, or the id "user/name" of a repository on the Hub.

        A visitor may ask for any name: no other path of the server is ever looked up.
        Raises ValueError as `genmodels.load`.
        """
        if not name:
            raise ValueError(
                "expected a model of the list or the id of one on the Hub, but got none"
            )
        return load(self.folder / name) if name in self.names else from_hub(name)
