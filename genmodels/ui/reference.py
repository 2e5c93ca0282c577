"""Real images to hold samples against: of the dataset that the app serves, or a public one."""

import os
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

from huggingface_hub import HfApi
from huggingface_hub.utils import validate_repo_id

from genmodels.errors import named

if TYPE_CHECKING:
    from genmodels.data import Images

VARIABLE = "GENMODELS_REFERENCE"  # the environment's name of a Hub id, or of a folder as data.load
DATASET = "zalando-datasets/fashion_mnist"  # where it is not set
MOST = 10_000  # images of a dataset
LARGEST = 2**30  # bytes of a dataset that a visitor may ask the Hub for
ROOM = 4  # splits that are kept in memory


class References:
    """Datasets, loaded when they are first asked for.

    A visitor may ask for any public one on the Hub. A folder of the server is read only where
    whoever serves the app named it, and its path is told to nobody.
    """

    def __init__(self) -> None:
        self.source = os.environ.get(VARIABLE) or DATASET
        self.name = self.source if is_id(self.source) else named(self.source)
        self.kept = OrderedDict[tuple[str, str, int], "Images"]()
        self.lock = threading.Lock()

    def get(self, name: object, side: int, split: str = "train", most: int = MOST) -> "Images":
        """The first images of a split, scaled to a side. Raises ValueError where there are none."""
        from genmodels import data  # slow to import, and the app is to start soon

        if name != self.name:
            check(name)
        key = (name, f"{split}[:{most}]", side)
        with self.lock:
            if key not in self.kept:
                source = self.source if name == self.name else name
                try:
                    self.kept[key] = data.load(source, split=key[1], resolution=side)
                except ValueError as error:  # which may name a folder
                    raise ValueError(f"could not get the reference dataset {name!r}") from error
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


def check(name: object) -> None:
    """Raise ValueError unless it is the id of a public dataset on the Hub that is not too large."""
    # What lies in the server's folder would be taken for the dataset of that name.
    if not isinstance(name, str) or not is_id(name) or os.path.exists(name):
        raise ValueError(f"expected the id of a dataset on the Hub, but got {str(name)[:40]!r}")
    try:
        found = HfApi(token=False).dataset_info(name, files_metadata=True)
    except Exception as error:  # of the network, or there is no such dataset
        raise ValueError(f"could not get the reference dataset {name!r} from the Hub") from error
    if found.gated or sum(file.size or 0 for file in found.siblings or []) > LARGEST:
        raise ValueError(f"expected a dataset that is open and below 1 GB, but {name!r} is not")
