"""Real images to hold samples against: of the dataset that whoever serves the app has named."""

import os
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

from huggingface_hub.utils import validate_repo_id

from genmodels.errors import UserError, display_name
from genmodels.ui.validation import parse_choice

if TYPE_CHECKING:
    from genmodels.data import Images

VARIABLE = "GENMODELS_REFERENCE"  # the environment's name of a Hub id, or of a folder as data.load
DATASET = "zalando-datasets/fashion_mnist"  # where it is not set
MOST = 10_000  # images of a dataset
ROOM = 4  # splits that are kept in memory


class ReferenceDatasets:
    """The splits of a dataset, loaded when they are first asked for.

    Its name is told to all, and where it is a folder its path to nobody. A visitor may name no
    other: a dataset may point to any file of the server.
    """

    def __init__(self) -> None:
        self.source = os.environ.get(VARIABLE) or DATASET
        self.name = self.source if is_id(self.source) else display_name(self.source)
        self.kept = OrderedDict[tuple[str, str, int], "Images"]()
        self.lock = threading.Lock()

    def get(self, name: object, side: int, split: str = "train", most: int = MOST) -> "Images":
        """The first images of a split, scaled to a side. Raises UserError where there are none."""
        from genmodels import data  # slow to import, and the app is to start soon

        parse_choice(name, [self.name], "the reference")
        key = (name, f"{split}[:{most}]", side)
        with self.lock:
            if key not in self.kept:
                try:
                    self.kept[key] = data.load(self.source, split=key[1], resolution=side)
                except UserError as error:  # which may name a folder
                    raise UserError(f"could not get the reference dataset {name!r}") from error
            self.kept.move_to_end(key)
            while len(self.kept) > ROOM:
                self.kept.popitem(last=False)
            return self.kept[key]


def is_id(name: str) -> bool:
    """Whether it may be the id of a repository on the Hub."""
    try:
        validate_repo_id(name)
    except ValueError:
        return False
    return True
