"""The published models under one protocol: their numbers, and all in one table."""

import json
import re
import statistics
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, NamedTuple

import torch
import tyro
from accelerate import Accelerator
from accelerate.utils import gather_object
from huggingface_hub import ModelCard, ModelCardData

from genmodels import data
from genmodels.errors import UserError
from genmodels.media.image import to_pixels
from genmodels.metrics import FeatureExtractors
from genmodels.metrics.evaluation import Evaluation, ImageSource, Processes, Result, evaluate
from genmodels.metrics.memorisation import nearest_neighbors
from genmodels.pipelines import load, pipeline_class
from genmodels.pipelines.completing import CompletingPipeline
from training.configs.presets import PRESETS
from training.release import figures
from training.release.model_cards import cores, enter, entries
from training.studies.stability import CURVES

ROOT = Path(__file__).parents[2]
ZOO = ROOT / "checkpoints"
REFERENCE = "zalando-datasets/fashion_mnist"
TASK = "unconditional-image-generation"
METRICS = {
    "domain": ["is", "fid", "kid", "precision", "recall", "classes"],
    "inception-bf16": ["fid", "kid", "precision", "recall"],
}
COUNT = 10_000  # samples of a number in the table
DOMAIN, INCEPTION = ({"extractor": extractor, "count": COUNT} for extractor in METRICS)
MANY = INCEPTION | {"count": 50_000}  # of the best one, as papers have it
QUERIES = 200  # samples of which the nearest training image is looked for
TIMED = 64  # samples
ROUNDS = 5

Folders = Annotated[tuple[Path, ...], tyro.conf.Positional]


class Column(NamedTuple):
    """A number of the table."""

    head: str
    metric: str
    settings: dict[str, object] | None  # of the measurement
    form: str
    factor: float = 1.0

    def value(self, card: ModelCardData) -> float | None:
        return numbers(card, self.settings).get(self.metric)


COLUMNS = (
    Column("IS", "is", DOMAIN, ".2f"),
    Column("FID", "fid", DOMAIN, ".2f"),
    Column("KID ×10³", "kid", DOMAIN, "z.1f", 1000),
    Column("precision", "precision", DOMAIN, ".2f"),
    Column("recall", "recall", DOMAIN, ".2f"),
    Column("classes", "classes", DOMAIN, ".2f"),
    Column("nearest", "nearness", None, ".2f"),
    Column("class_accuracy", "class_accuracy", DOMAIN, ".1%"),
    Column("FID, Inception", "fid", INCEPTION, ".1f"),
    Column("of 50,000", "fid", MANY, ".1f"),
    Column("KID ×10³, Inception", "kid", INCEPTION, "z.1f", 1000),
    Column("seconds for 64", "seconds", None, ".2g"),
)


def models() -> list[Path]:
    """The folders of checkpoints/ that draw samples of their own, in the order of the presets."""
    order = {name: number for number, name in enumerate(PRESETS)}
    found = [
        index.parent
        for index in ZOO.glob("*/model_index.json")
        if pipeline_class(index.parent) is not CompletingPipeline
    ]
    return sorted(found, key=lambda folder: order.get(folder.name, len(order)))


def measure(
    folders: Folders = (),
    extractor: str = "domain",
    count: int = COUNT,
    reference_count: int | None = None,
    again: bool = False,
) -> None:
    """Measure published models, and real images of split test, and enter it into their cards.

    With accelerate launch on several processes, which share the work.

    Args:
        folders: of models; none: all in checkpoints/
        extractor: domain or inception-bf16, as that of python -m genmodels.metrics
        count: samples of each
        reference_count: training images at the most, drawn by chance; None: all
        again: those too that have been measured so
    """
    if extractor not in METRICS:
        raise UserError(f"expected {' or '.join(METRICS)}, but got {extractor!r}")
    settings = {"extractor": extractor, "count": count}
    if reference_count is not None:
        settings["reference_count"] = reference_count
    accelerator = Accelerator()
    for folder in folders or (ZOO, *models()):
        if not again and numbers(card_of(folder).data, settings):
            continue
        names, source, split = METRICS[extractor], str(folder), None
        if folder.samefile(ZOO):  # the row of real images, of which there is no model
            source, split = REFERENCE, "test"
        elif extractor == "domain" and load(folder).num_classes is not None:
            names = [*names, "class_accuracy"]
        evaluation = Evaluation(
            source,
            REFERENCE,
            tuple(names),
            extractor,
            count,
            reference_count,
            samples_split=split,
        )
        processes = Processes(accelerator.process_index, accelerator.num_processes, gather_object)
        found = evaluate(evaluation, processes, accelerator.device)
        if accelerator.is_main_process:
            for result in found:
                enter(folder / "README.md", entries(result, TASK, REFERENCE, **settings))
                print(folder.name, result.numbers, flush=True)
    accelerator.end_training()


def nearest(folders: Folders = ()) -> None:
    """Measure how near samples are to training images, and enter it into the cards.

    All models in one pass over the training images, which takes the longest.

    Args:
        folders: of models; none: all in checkpoints/
    """
    folders = folders or tuple(models())
    held_out = data.load(REFERENCE, split="test").pixels[:QUERIES]
    rng = torch.Generator().manual_seed(0)
    drawn = [
        to_pixels(pipeline(QUERIES, rng.manual_seed(0), output_type="pt").images)
        for pipeline in map(load, folders)
    ]
    eye, real = FeatureExtractors("domain").perception, data.load(REFERENCE).pixels
    queries = ImageSource.from_tensor("samples and held-out images", torch.cat([held_out, *drawn]))
    found = nearest_neighbors(
        queries, ImageSource.from_tensor("training images", real), {"lpips": eye}
    )
    held, *means = found["lpips"].squared_distances.view(-1, QUERIES).mean(1).tolist()
    protocol = (
        f"{eye.protocol}: {QUERIES} samples of seed 0 to the nearest of {len(real):,} training "
        f"images, over the same of the first {QUERIES} images of split test"
    )
    for folder, mean in zip(folders, means, strict=True):
        result = Result({"nearness": mean / held}, protocol)
        enter(folder / "README.md", entries(result, TASK, REFERENCE))
        print(folder.name, result.numbers, flush=True)


def clock(folders: Folders = ()) -> None:
    """Measure how long 64 samples take, and enter it into the cards.

    Args:
        folders: of models; none: all in checkpoints/
    """
    for folder in folders or models():
        card_of(folder)  # or there is nothing to enter it into
        pipeline, seconds = load(folder), []
        for seed in range(ROUNDS + 1):
            start = time.perf_counter()
            pipeline(TIMED, torch.Generator().manual_seed(seed), output_type="pt")
            seconds.append(time.perf_counter() - start)
        protocol = f"for {TIMED} samples on {cores()}, the median of {ROUNDS} times"
        result = Result({"seconds": statistics.median(seconds[1:])}, protocol)
        enter(folder / "README.md", entries(result, TASK, REFERENCE))
        print(folder.name, result.numbers, flush=True)


def card_of(folder: Path) -> ModelCard:
    """Raises UserError where a folder has none."""
    try:
        return ModelCard.load(folder / "README.md")
    except ValueError as error:
        raise UserError(f"expected a model with a card, but there is none in {folder}") from error


def numbers(card: ModelCardData, settings: Mapping[str, object] | None) -> dict[str, float]:
    """Those that were measured so."""
    found = card.eval_results or []
    return {it.metric_type: it.metric_value for it in found if it.metric_args == settings}


def known() -> dict[Path, ModelCardData]:
    """What the cards tell, of real images and of each model."""
    return {folder: card_of(folder).data for folder in (ZOO, *models())}


def rows(cards: Mapping[Path, ModelCardData]) -> Iterator[list[str]]:
    """The table: its head, real images, and a row for each model; of the columns those with any."""
    columns = [
        column
        for column in COLUMNS
        if any(column.value(card) is not None for card in cards.values())
    ]
    yield ["", "parameters", "training", *(column.head for column in columns)]
    yield ["---", *["---:"] * (2 + len(columns))]
    for folder, card in cards.items():
        cells = ["real images of split `test`", "", ""]
        if folder != ZOO:
            facts = card.genmodels
            minutes = f"{facts['seconds'] / 60:.0f} min, {facts['hardware']}"
            cells = [f"[{folder.name}]({folder.name})", f"{facts['parameters']:,}", minutes]
        for column in columns:
            value = column.value(card)
            cells.append("" if value is None else format(value * column.factor, column.form))
        yield cells


def protocols(cards: Mapping[Path, ModelCardData]) -> Iterator[str]:
    """What the numbers of the table are of."""
    for settings in (DOMAIN, INCEPTION, MANY):
        if any(numbers(card, settings) for card in cards.values()):
            kind, count = settings["extractor"], settings["count"]
            yield f"By `{kind}`: {count:,} samples beside all training images."


def table() -> None:
    """Put all cards' numbers into README.md and checkpoints/README.md, and draw the figures."""
    cards = known()
    cells = (f"| {' | '.join(row)} |" for row in rows(cards))
    lines = "\n".join([*cells, "", *protocols(cards)])
    file = ZOO / "README.md"
    card = card_of(ZOO)
    card.text = fill(card.text, lines)
    card.save(file)
    readme = ROOT / "README.md"
    readme.write_text(fill(readme.read_text(), re.sub(r"(?<=\]\()", "checkpoints/", lines)))

    named = {"real images" if it == ZOO else it.name: card for it, card in cards.items()}
    told = {name: numbers(card, DOMAIN) for name, card in named.items()}
    seconds = {name: numbers(card, None).get("seconds") for name, card in named.items()}
    speeds = {name: TIMED / value for name, value in seconds.items() if value is not None}
    figures.triangles(told, speeds).savefig(ZOO / "triangles.png")
    classes = data.load(REFERENCE).classes
    figures.shares(told, classes).savefig(ZOO / "classes.png")
    if CURVES.exists():
        figures.curves(json.loads(CURVES.read_text())).savefig(ZOO / "stability.png")


def fill(text: str, lines: str) -> str:
    """Put lines where a text has a place for the table."""
    begin, end = "<!-- zoo: by python -m training.zoo table -->\n", "<!-- /zoo -->"
    before, _, rest = text.partition(begin)
    return f"{before}{begin}{lines}\n{end}{rest.partition(end)[2]}"
