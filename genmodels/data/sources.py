"""Read a dataset from the Hub or from local files. N images, C channels, S side, K classes."""

from collections.abc import Sequence

import datasets
from datasets import Dataset, DatasetDict

from genmodels.data.cache import Files, decode_files
from genmodels.data.dataset import Images
from genmodels.data.decoding import UNDECODED, Decoding
from genmodels.data.folders import Listing, list_images, local_files, random_subset
from genmodels.data.labels import label_column, to_classes
from genmodels.errors import UserError, first_line

AS_STORED = Decoding()


def load(
    source: str,
    config: str | None = None,
    split: str | None = None,
    image_column: str | None = None,
    label_column: str | None = None,
    revision: str | None = None,
    decoding: Decoding = AS_STORED,
    skip_broken: bool = False,
    limit: int | None = None,
) -> Images:
    """Load the images of one split.

    Args:
        source: Hub id, folder of images, folder in Hub layout, ZIP archive of images, or NPZ file
        config: name of the dataset's configuration, if it has several
        split: a name, or several joined by +; None for train, or the only split there is
        image_column: None for the first column of images
        label_column: column of classes, integers, strings or booleans; None for the first column
            of classes, else a column label, labels, class or category, if any
        revision: branch, tag or commit on the Hub
        decoding: how images become pixels
        skip_broken: leave out images that cannot be decoded
        limit: maximum number of images, chosen at random, the same ones each time

    Raises:
        UserError: no such dataset, configuration, split or column, or images that cannot be read.
    """
    paths = local_files(source)
    if paths is not None:
        flags = {"dataset_config_name": config, "image_column": image_column}
        flags |= {"label_column": label_column, "dataset_revision": revision}
        for flag, value in flags.items():
            if value is not None:
                raise UserError(f"expected no --{flag} with the images {source!r}, got {value!r}")
        listing, names = list_images(source, paths, split, limit), None
    else:
        table, split = load_table(source, config, split, revision)
        columns = (image_column, label_column)
        listing, names = list_table(table, split, source, columns, limit)
    decoded = decode_files(listing.files, source, decoding, skip_broken)
    labels, classes, unlabelled = None, [], ""
    if listing.labels is not None:
        column = listing.labels.take(decoded.keep)
        labels, classes, unlabelled = to_classes(
            column, names, lambda position: listing.name(decoded.keep[position])
        )
    return Images(
        decoded.pixels,
        labels,
        classes,
        source,
        listing.split,
        decoded.digest,
        (*listing.notes, *decoded.notes),
        unlabelled,
        decoded.folder,
    )


def load_table(
    source: str, config: str | None, split: str | None, revision: str | None
) -> tuple[Dataset, str]:
    """Load a table and the name of its split by `datasets`."""
    try:
        tables = datasets.load_dataset(source, config, split=split, revision=revision)
    except ConnectionError as error:
        raise UserError(
            f"found no folder {source!r}, and the Hub cannot be reached; pass an existing folder, "
            "or unset HF_HUB_OFFLINE if it is set"
        ) from error
    except FileNotFoundError as error:
        expected = "expected a dataset on the Hub, or a folder, ZIP archive or NPZ file of images"
        raise UserError(f"{expected}, found none at {source!r}") from error
    except Exception as error:  # datasets raises many kinds for broken repositories
        reason = first_line(error.__cause__ or error)
        raise UserError(f"could not read {source!r}: {reason}") from error
    if not isinstance(tables, DatasetDict):
        return tables, split
    if "train" not in tables and len(tables) > 1:
        splits = ", ".join(tables)
        raise UserError(f"expected --dataset_split to be one of {splits} of {source!r}, got none")
    split = "train" if "train" in tables else next(iter(tables))
    return tables[split], split


def list_table(
    table: Dataset,
    split: str,
    source: str,
    columns: tuple[str | None, str | None],
    limit: int | None,
) -> tuple[Listing, Sequence[str] | None]:
    """List the images of a table, and the names of its classes if it has them.

    Args:
        columns: of the images and of the labels
    """
    features = table.features
    image_column, labels = columns
    images = [name for name, it in features.items() if isinstance(it, datasets.Image)]
    if image_column is not None and image_column not in images:
        expected = f"expected a column of images in {source!r}"
        raise UserError(f"{expected}, got {image_column!r}; columns: {', '.join(features)}")
    if not images:
        raise UserError(f"expected a column of images in {source!r}, got {', '.join(features)}")
    labels = label_column(features, labels, source)
    name = image_column or images[0]
    rows = table.select_columns([name]).cast_column(name, UNDECODED["image"])
    rows = rows if name == "image" else rows.rename_column(name, "image")
    column = None if labels is None else table.data.column(labels)
    if limit is not None and limit < len(table):
        subset = random_subset(len(table), limit)
        rows, column = rows.select(subset), None if column is None else column.take(subset)
    names = getattr(features[labels], "names", None) if labels else None
    return Listing(Files(rows._fingerprint, rows), column, split), names
