"""The dataset of real images that the app compares samples with."""

import os
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

from huggingface_hub.utils import validate_repo_id

from genmodels.errors import UserError, display_name
from genmodels.ui.validation import parse_choice

if TYPE_CHECKING:  # slow to import, and the app must start quickly
    from genmodels.data import Images

VARIABLE = "GENMODELS_REFERENCE"  # environment variable: a Hub id or a folder
DATASET = "zalando-datasets/fashion_mnist"  # if the variable is not set
MAX_IMAGES = 10_000
MAX_SPLITS = 4  # in memory


class ReferenceDatasets:
    """The splits of the reference dataset, loaded on first use.

    Users see the name of a folder but never its path. They cannot choose another dataset, because
    a dataset may refer to any file of the server.
    """

    def __init__(self) -> None:
        self.source = os.environ.get(VARIABLE) or DATASET
        self.name = self.source if is_repo_id(self.source) else display_name(self.source)
        self.splits = OrderedDict[tuple[str, int, int], "Images"]()  # the latest used last
        self.lock = threading.Lock()

    def get(
        self, name: object, side: int, split: str = "train", count: int = MAX_IMAGES
    ) -> "Images":
        """Load a split, or random images of it, scaled to a side in pixels."""
        from genmodels import data  # slow to import, and the app must start quickly

        parse_choice(name, [self.name], "the reference")
        key = (split, side, count)
        with self.lock:
            if key not in self.splits:
                try:
                    self.splits[key] = data.load(
                        self.source, split=split, decoding=data.Decoding(side), limit=count
                    )
                except UserError as error:  # its message may contain the path
                    raise UserError(f"could not load the reference dataset {name!r}") from error
            self.splits.move_to_end(key)
            while len(self.splits) > MAX_SPLITS:
                self.splits.popitem(last=False)
            return self.splits[key]


def is_repo_id(name: str) -> bool:
    """Return whether a name is a valid Hub repository id."""
    try:
        validate_repo_id(name)
    except ValueError:
        return False
    return True
