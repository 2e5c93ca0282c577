"""The feature extractors that the app offers, and which of them fit a model.

C channels, S side in pixels.
"""

import json
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from safetensors import SafetensorError, safe_open

from genmodels.class_labels import RECORD
from genmodels.errors import UserError, display_name
from genmodels.metrics import METRICS, FeatureExtractors
from genmodels.metrics.extractors import (
    ALEXNET,
    DOMAIN,
    EXTRACTORS,
    FOLDER,
    INCEPTION,
    INCEPTION_FILES,
    LPIPS,
    LPIPS_FILES,
    Extractor,
    domain,
    find_weights,
    raw_pixels,
)
from genmodels.ui.models import Models, unique_name
from genmodels.ui.validation import parse_choice, parse_choices

PIXELS = "pixels"  # the distance that needs no network
ANY_LPIPS = "LPIPS"  # as a distance: LPIPS by the first extractor that fits
LOGITS_METRICS = ("is", "classes")  # need the logits of a classifier
REMEDY = (
    "start the app with `app.py --extractor FOLDER`, the folder of a classifier trained on such "
    f"images with `python -m training classifier-...`, or set {FOLDER} to a folder with the "
    "weights of Inception and AlexNet"
)

Shape = tuple[int, ...]  # (C, S, S) of a sample

load_extractors = cache(FeatureExtractors)  # one instance per network for the whole app


class ExtractorChoice(NamedTuple):
    """An extractor, the samples it accepts, and the metrics that its weights allow."""

    name: str
    label: str
    source: str  # argument of FeatureExtractors
    channels: int
    side: int | None  # None: any
    metrics: tuple[str, ...]
    lpips_label: str

    def fits(self, shape: Shape) -> bool:
        """Return whether it accepts samples, as `Extractor.conform` does: grey ones as RGB too."""
        return shape[0] in (1, self.channels) and self.side in (None, shape[-1])


class ExtractorChoices:
    """Classifiers, and Inception and AlexNet if their weights are on this machine.

    Classifiers are the folders passed to the app, those beside the models, and `domain`. Users see
    their names but never their paths.
    """

    def __init__(self, folders: Sequence[Path | str], models: Models) -> None:
        """Find the extractors. Raises UserError if one of `folders` contains no classifier."""
        names = {name: Path("/") for name in (*EXTRACTORS, PIXELS, ANY_LPIPS)}  # reserved
        self.choices: dict[str, ExtractorChoice] = {}
        for folder in dict.fromkeys(Path(folder).resolve() for folder in folders):
            self.add(classifier_choice(folder, names))
        for folder in [*classifiers_beside(models), DOMAIN.resolve()]:
            if folder not in names.values() and (folder / "config.json").exists():
                try:
                    self.add(classifier_choice(folder, names))
                except UserError:  # a broken classifier must not stop the app
                    continue
        for choice in pretrained_choices():
            self.add(choice)

    def add(self, choice: ExtractorChoice) -> None:
        self.choices[choice.name] = choice

    def fitting(self, shapes: Iterable[Shape], metric: str | None = None) -> list[ExtractorChoice]:
        """Return the extractors that fit all shapes, and allow a metric if there is one."""
        shapes = list(shapes)
        return [
            choice
            for choice in self.choices.values()
            if all(map(choice.fits, shapes)) and (metric is None or metric in choice.metrics)
        ]

    def check(self, name: object, metrics: Sequence[str], shapes: Iterable[Shape]) -> None:
        """Raise UserError unless an extractor fits the samples and allows the metrics."""
        shapes = [*dict.fromkeys(map(tuple, shapes))]
        names = [choice.name for choice in self.fitting(shapes)]
        if not names:
            raise UserError(f"no feature extractor fits samples {describe(shapes)}: {REMEDY}")
        parse_choice(name, names, f"a feature extractor for samples {describe(shapes)}")
        allowed = [*self.choices[name].metrics]
        parse_choices([*metrics], allowed, len(METRICS), f"metrics that {name} allows")

    def load(
        self, name: object, metrics: Sequence[str], shapes: Iterable[Shape]
    ) -> FeatureExtractors:
        """Load the networks of an extractor that the metrics need; see `check`."""
        self.check(name, metrics, shapes)
        extractors = load_extractors(self.choices[name].source)
        try:
            for network in {METRICS[metric].features_from for metric in metrics}:
                getattr(extractors, network)
        except UserError as error:  # its message may contain a path
            raise UserError(f"could not load the weights of the extractor {name!r}") from error
        return extractors

    def distances(self, shape: Shape | None) -> list[tuple[str, str]]:
        """Return labels and names of the distances between samples of a shape; None: any shape."""
        names: dict[str, str] = {}
        for choice in self.fitting([] if shape is None else [shape], "lpips"):
            names.setdefault(f"LPIPS, {choice.lpips_label}", choice.name)  # AlexNet only once
        return [(PIXELS, PIXELS), *names.items()]

    def load_distance(self, name: object, shape: Shape) -> Extractor:
        """Load the network of a distance: "pixels", "LPIPS", or the name of an extractor."""
        if name == PIXELS:
            return raw_pixels()
        names = [choice.name for choice in self.fitting([shape], "lpips")]
        if not names:
            raise UserError(f"no network for LPIPS fits samples {describe([shape])}: {REMEDY}")
        parse_choice(name, [PIXELS, ANY_LPIPS, *names], "a distance")
        return self.load(names[0] if name == ANY_LPIPS else name, ["lpips"], [shape]).perception


def describe(shapes: Iterable[Shape]) -> str:
    """Return shapes in words for error messages."""
    return "of shape " + " and ".join("x".join(map(str, shape)) for shape in shapes)


def classifiers_beside(models: Models) -> list[Path]:
    """Return the folders with a classifier that are next to a local model."""
    parents = dict.fromkeys(folder.resolve().parent for folder in models.folders.values())
    files = [file for parent in parents for file in sorted(parent.glob("*/config.json"))]
    return [
        file.parent.resolve() for file in files if read_json(file, "_class_name") == "Classifier"
    ]


def read_json(file: Path, *keys: str) -> object:
    """Return a nested value of a JSON file; None if it cannot be read."""
    try:
        value = json.loads(file.read_text())
        for key in keys:
            value = value[key]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return value


def classifier_choice(folder: Path, names: dict[str, Path]) -> ExtractorChoice:
    """Describe a classifier, and add it to the folders by name. UserError if it is broken."""
    extractor = domain(folder)
    name = "domain" if folder == DOMAIN.resolve() else unique_name(folder, names)
    names[name] = folder
    title = display_name(folder) if name == "domain" else name
    dataset = read_json(folder / RECORD, "dataset", "source")
    details = [display_name(dataset)] if isinstance(dataset, str) else []
    channels, side = extractor.channels, extractor.side
    details += [f"{side}x{side} pixels", f"{channels} channel{'s' * (channels > 1)}"]
    label = f"{title} ({', '.join(details)})"
    return ExtractorChoice(name, label, str(folder), channels, side, tuple(METRICS), title)


def pretrained_choices() -> list[ExtractorChoice]:
    """Describe Inception and AlexNet, if their weights are on this machine."""
    metrics: list[str] = []
    inception = find_weights(INCEPTION_FILES, [INCEPTION])
    if inception:
        without = () if has_logits(inception[0]) else LOGITS_METRICS
        metrics = [name for name in METRICS if name not in (*without, "lpips")]
    alexnet = "AlexNet" if find_weights(LPIPS_FILES, [ALEXNET, LPIPS]) else ""
    metrics += ["lpips"] if alexnet else []
    labels = {"inception": "Inception" if inception else alexnet}
    if inception:
        labels["inception-bf16"] = "Inception in bfloat16"
    return [
        ExtractorChoice(name, label, name, 3, None, tuple(metrics), alexnet)
        for name, label in labels.items()
        if metrics
    ]


def has_logits(file: Path) -> bool:
    """Return whether weights of Inception include the classification head."""
    if file.suffix != ".safetensors":
        return True
    try:
        with safe_open(file, "pt") as weights:
            return "fc.weight" in weights.keys()  # noqa: SIM118
    except (OSError, SafetensorError):  # reported when the weights are loaded
        return False
