"""The published models that the app offers, loaded when they are first asked for."""

import math
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path

from huggingface_hub import HfApi

from genmodels.errors import UserError, display_name
from genmodels.hub import explain_error
from genmodels.pipelines import (
    PIPELINES,
    CompletingPipeline,
    LatentPipeline,
    from_folder,
    from_hub,
    pipeline_class,
)

ROOM = 2 * 2**30  # bytes of weights that are kept in memory at once

PIXELS = 3 * 256**2  # numbers of a sample at the most


class Models:
    """Folders of published pipelines by name, repositories on the Hub, and any other Hub id."""

    def __init__(self, sources: Sequence[Path | str], room: int = ROOM) -> None:
        """sources: folders of a pipeline, folders of such folders, and Hub ids."""
        folders: dict[str, Path] = {}
        self.repositories: list[str] = []
        for source in sources:
            folder = Path(source)
            if not folder.is_dir():
                self.repositories.append(str(source))
                continue
            within = sorted(path.parent for path in folder.glob("*/model_index.json"))
            for found in [folder] if (folder / "model_index.json").exists() else within:
                folders[free_name(found, folders)] = found
        kinds: dict[str, type[LatentPipeline]] = {}
        for name, folder in folders.items():
            try:
                kinds[name] = pipeline_class(folder)
            except UserError:  # it will say so when it is asked for
                continue
        offered = [*PIPELINES.values(), None]  # last what cannot be read
        order = sorted(folders, key=lambda name: (offered.index(kinds.get(name)), name))
        self.folders = {name: folders[name] for name in order}
        self.kinds = {name: kinds[name] for name in order if name in kinds}
        self.room, self.held = room, OrderedDict[str, LatentPipeline]()
        self.lock = threading.Lock()

    @property
    def names(self) -> list[str]:
        return [*self.folders, *self.repositories]

    @property
    def generators(self) -> list[str]:
        """Names of those that are for more than completing."""
        return [name for name in self.names if self.kinds.get(name) is not CompletingPipeline]

    def get(self, name: object) -> LatentPipeline:
        """A name of these, or the id "user/name" of a repository on the Hub.

        A visitor may ask for anything: no other path of the server is ever looked up. Those asked
        for least lately make room. Raises UserError as `genmodels.load`.
        """
        if not isinstance(name, str) or not name:
            raise UserError("expected a model of the list or the id of one on the Hub")
        with self.lock:
            pipeline = self.held.get(name)
        if pipeline is None:  # others are served meanwhile
            pipeline = self.load(name)
        with self.lock:
            self.held[name] = pipeline
            self.held.move_to_end(name)
            while len(self.held) > 1 and sum(map(size, self.held.values())) > self.room:
                self.held.popitem(last=False)
        return pipeline

    def load(self, name: str) -> LatentPipeline:
        """Raises UserError also for what is too large for a machine that serves many."""
        folder = self.folders.get(name)
        if folder is None and name not in self.repositories:
            expect_public(name)
        pipeline = from_hub(name) if folder is None else from_folder(folder)
        if math.prod(pipeline.sample_shape) > PIXELS:
            raise UserError(f"expected samples of at most {PIXELS:,} numbers from {name!r}")
        return pipeline


def free_name(folder: Path, taken: Mapping[str, Path]) -> str:
    """As `errors.display_name`, or with as much of the path before it as tells it from others."""
    parts, shortest = folder.resolve().parts, display_name(folder).count("/") + 1
    tails = ("/".join(parts[-length:]) for length in range(shortest, len(parts) + 1))
    return next(
        name for name in tails if name not in taken or taken[name].resolve() == folder.resolve()
    )


def expect_public(name: str) -> None:
    """Raise UserError unless anybody may read it: the server's own token is for no visitor."""
    try:
        found = HfApi(token=False).model_info(name, files_metadata=True)
    except Exception as error:  # anything may happen on the way
        raise UserError(f"could not get {name!r} from the Hub: {explain_error(error)}") from error
    if found.gated or sum(file.size or 0 for file in found.siblings or []) > ROOM:
        raise UserError(f"expected a model that is open and below 2 GiB, but {name!r} is not")


def size(pipeline: LatentPipeline) -> int:
    """Bytes of its weights."""
    parts = [part for part in pipeline.components.values() if hasattr(part, "parameters")]
    return sum(weight.nbytes for part in parts for weight in part.parameters())
