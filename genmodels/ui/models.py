"""The models that the app offers, loaded on first use."""

import math
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path

from huggingface_hub import HfApi

from genmodels import pipelines
from genmodels.errors import UserError, display_name
from genmodels.hub import explain_error
from genmodels.pipelines import CompletingPipeline, LatentPipeline

MAX_BYTES = 2 * 2**30  # weights in memory at once, and files of one model from the Hub
MAX_SAMPLE_VALUES = 3 * 256**2


class Models:
    """Pipelines in local folders by name, repositories on the Hub, and any other public Hub id."""

    def __init__(self, sources: Sequence[Path | str], max_bytes: int = MAX_BYTES) -> None:
        """Find the models in folders of a pipeline, folders of such folders, and Hub ids."""
        folders: dict[str, Path] = {}
        self.repositories: list[str] = []
        for source in sources:
            folder = Path(source)
            if not folder.is_dir():
                self.repositories.append(str(source))
                continue
            subfolders = sorted(path.parent for path in folder.glob("*/model_index.json"))
            for path in [folder] if (folder / "model_index.json").exists() else subfolders:
                folders[unique_name(path, folders)] = path
        kinds: dict[str, type[LatentPipeline]] = {}
        for name, folder in folders.items():
            try:
                kinds[name] = pipelines.pipeline_class(folder)
            except UserError:  # reported when the model is loaded
                continue
        ranks = [*pipelines.PIPELINES.values(), None]
        order = sorted(folders, key=lambda name: (ranks.index(kinds.get(name)), name))
        self.folders = {name: folders[name] for name in order}  # broken models last
        self.kinds = {name: kinds[name] for name in order if name in kinds}  # none of broken ones
        self.max_bytes, self.cache = max_bytes, OrderedDict[str, LatentPipeline]()
        self.lock = threading.Lock()

    @property
    def names(self) -> list[str]:
        return [*self.folders, *self.repositories]

    @property
    def generators(self) -> list[str]:
        """Names of the models that generate, not only inpaint."""
        return [name for name in self.names if self.kinds.get(name) is not CompletingPipeline]

    def get(self, name: object) -> LatentPipeline:
        """Return a model by its name, or by the id "user/name" of a public Hub repository.

        Never reads any other path of the server, whatever the user enters.
        """
        if not isinstance(name, str) or not name:
            raise UserError("expected a model of the list or the id of one on the Hub")
        with self.lock:
            pipeline = self.cache.get(name)
        if pipeline is None:  # load without the lock, so that other users need not wait
            pipeline = self.load(name)
        with self.lock:
            self.cache[name] = pipeline
            self.cache.move_to_end(name)
            while len(self.cache) > 1 and sum(map(num_bytes, self.cache.values())) > self.max_bytes:
                self.cache.popitem(last=False)
        return pipeline

    def load(self, name: str) -> LatentPipeline:
        """Load a model from its folder or the Hub; see `get`."""
        folder = self.folders.get(name)
        if folder is None and name not in self.repositories:
            check_public(name)
        pipeline = pipelines.from_hub(name) if folder is None else pipelines.from_folder(folder)
        values = math.prod(pipeline.sample_shape)
        if values > MAX_SAMPLE_VALUES:
            most = f"samples of at most {MAX_SAMPLE_VALUES:,} values"
            raise UserError(f"expected {most}, got {values:,} from {name!r}")
        return pipeline


def unique_name(folder: Path, folders: Mapping[str, Path]) -> str:
    """Return the display name of a folder, with more of its path if another has the same name."""
    parts, shortest = folder.resolve().parts, display_name(folder).count("/") + 1
    candidates = ("/".join(parts[-length:]) for length in range(shortest, len(parts) + 1))
    same = folder.resolve()
    return next(name for name in candidates if folders.get(name, same).resolve() == same)


def check_public(name: str) -> None:
    """Raise UserError unless a repository is public: users must not use the server's token."""
    try:
        info = HfApi(token=False).model_info(name, files_metadata=True)
    except Exception as error:  # the client raises many kinds, some undocumented
        reason = explain_error(error)
        raise UserError(
            f"could not get {name!r}, which is no local model, from the Hub: {reason}"
        ) from error
    if info.gated or sum(file.size or 0 for file in info.siblings or []) > MAX_BYTES:
        raise UserError(f"expected a model that is not gated and below 2 GiB, got {name!r}")


def num_bytes(pipeline: LatentPipeline) -> int:
    """Return the bytes of a pipeline's weights."""
    networks = [part for part in pipeline.components.values() if hasattr(part, "parameters")]
    return sum(weight.nbytes for network in networks for weight in network.parameters())
