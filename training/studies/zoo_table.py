"""The zoo's table, figures and cards, generated from training.json and metrics.json."""

import json
import re
from collections.abc import Container, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from training.release import figures
from training.release.model_cards import total_hardware, total_seconds, write_card
from training.release.records import read_record
from training.studies import zoo
from training.studies.stability import CURVES

DOMAIN, INCEPTION = ({"extractor": name, "count": zoo.COUNT} for name in zoo.METRICS)
INCEPTION_50K = INCEPTION | {"count": 50_000}  # as in papers, for the best model only


class Column(NamedTuple):
    """A metric in the table."""

    header: str
    explanation: str
    metric: str
    settings: Mapping[str, object]  # of the measurement
    format: str
    factor: float = 1.0

    def cell(self, folder: Path) -> str:
        """Return a model's value, "" if it was not measured."""
        value = zoo.numbers(folder, self.settings).get(self.metric)
        return "" if value is None else format(value * self.factor, self.format)


COLUMNS = (
    Column("IS", "Inception Score; higher is better, at most 10", "is", DOMAIN, ".2f"),
    Column("FID", "Fréchet distance of features; lower is better", "fid", DOMAIN, ".2f"),
    Column("KID ×10³", "kernel distance of features, unbiased; lower is better", "kid", DOMAIN,
           "z.1f", 1000),
    Column("Precision", "share of samples close to real images: quality", "precision", DOMAIN,
           ".2f"),
    Column("Recall", "share of real images close to samples: diversity", "recall", DOMAIN, ".2f"),
    Column("Classes", "effective number of classes generated; 10 is uniform", "classes", DOMAIN,
           ".2f"),
    Column("Nearest", "mean LPIPS distance to the nearest training image, relative to held-out "
           "images; near 0 for memorised samples", "nearness", {}, ".2f"),
    Column("Accuracy", "share of conditional samples that show the requested class",
           "class_accuracy", DOMAIN, ".1%"),
    Column("FID (Inception)", "FID with Inception features", "fid", INCEPTION, ".1f"),
    Column("FID 50k", "FID with Inception features of 50,000 samples", "fid", INCEPTION_50K,
           ".1f"),
    Column("KID ×10³ (Inception)", "KID with Inception features", "kid", INCEPTION, "z.1f", 1000),
    Column("Seconds", "time to generate 64 samples on 2 CPU cores", "seconds", {}, ".2g"),
)  # fmt: skip

SHORT = ("FID", "Precision", "Recall", "Accuracy", "FID (Inception)", "Seconds")  # in README.md

PROTOCOL = (
    f"All metrics compare {zoo.COUNT:,} samples with the 60,000 training images. Columns without "
    "*Inception* or *50k* use the features and predictions of `classifier-fashion`, which fit "
    "Fashion-MNIST better; never compare their values with Inception values. The Inception FID is "
    "biased upwards for small samples."
)


def table() -> None:
    """Write the table into checkpoints/README.md, a short one into README.md, and the figures."""
    folders = [zoo.ZOO, *zoo.models()]
    full = [*table_lines(folders), "", PROTOCOL, ""]
    full += [f"- *{column.header}*: {column.explanation}." for column in COLUMNS]
    short = [re.sub(r"(?<=\]\()", "checkpoints/", line) for line in table_lines(folders, SHORT)]
    for file, lines in ((zoo.ZOO / "README.md", full), (zoo.ZOO.parent / "README.md", short)):
        file.write_text(fill(file.read_text(), "\n".join(lines)))

    names = {"real images" if folder == zoo.ZOO else folder.name: folder for folder in folders}
    metrics = {name: zoo.numbers(folder, DOMAIN) for name, folder in names.items()}
    others = {name: zoo.numbers(folder, {}) for name, folder in names.items()}
    speeds = {name: zoo.TIMED / it["seconds"] for name, it in others.items() if "seconds" in it}
    figures.triangles(metrics, speeds).savefig(zoo.ZOO / "triangles.png")
    classes = read_record(folders[1])["dataset"]["classes"]
    figures.class_frequencies(metrics, classes).savefig(zoo.ZOO / "classes.png")
    if CURVES.exists():
        study = json.loads(CURVES.read_text())
        figures.stability_curves(study).savefig(zoo.ZOO / "stability.png")


def cards(folders: zoo.Folders = ()) -> None:
    """Regenerate the cards of published models; by default of all in checkpoints/."""
    for folder in folders or sorted(card.parent for card in zoo.ZOO.glob("*/README.md")):
        write_card(folder)


def table_lines(folders: list[Path], headers: Container[str] | None = None) -> Iterator[str]:
    """Yield the Markdown table of real images and models, with some columns or all."""
    columns = [column for column in COLUMNS if headers is None or column.header in headers]
    yield row("Model", "Parameters", "Training", *(column.header for column in columns))
    yield row("---", *["---:"] * (2 + len(columns)))
    for folder in folders:
        cells = ["real images (split `test`)", "", ""]
        if folder != zoo.ZOO:
            record = read_record(folder)
            time = f"{total_seconds(record) / 60:.0f} min, {total_hardware(record)}"
            cells = [f"[{folder.name}]({folder.name})", f"{record['parameters']:,}", time]
        cells += [column.cell(folder) for column in columns]
        yield row(*cells)


def row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def fill(text: str, lines: str) -> str:
    """Replace the text between the markers of the table."""
    begin, end = "<!-- zoo: by python -m training.zoo table -->\n", "<!-- /zoo -->"
    before, _, rest = text.partition(begin)
    return f"{before}{begin}{lines}\n{end}{rest.partition(end)[2]}"
