"""Load published pipelines: folders or Hub repositories in the layout of diffusers."""

import json
import os
from collections.abc import Callable
from inspect import signature
from pathlib import Path
from typing import get_args, get_type_hints

import torch
from diffusers.configuration_utils import ConfigMixin
from diffusers.models.modeling_utils import ModelMixin

from genmodels.class_labels import RECORD, read_classes
from genmodels.errors import UserError, first_line
from genmodels.hub import download
from genmodels.pipelines.adversarial import AdversarialPipeline
from genmodels.pipelines.autoencoding import AutoencodingPipeline, FittedAutoencodingPipeline
from genmodels.pipelines.base import LatentPipeline
from genmodels.pipelines.completing import CompletingPipeline
from genmodels.pipelines.denoising import DenoisingPipeline, UnguidedDenoisingPipeline
from genmodels.pipelines.diffusers_compat import DIFFUSERS_PIPELINES, FLAT_FILES, from_diffusers

# In the order of the app's lists: fast and sharp models first.
PIPELINES: dict[str, type[LatentPipeline]] = {
    "AdversarialPipeline": AdversarialPipeline,
    "AutoencodingPipeline": AutoencodingPipeline,
    "DenoisingPipeline": DenoisingPipeline,
    "UnguidedDenoisingPipeline": UnguidedDenoisingPipeline,
    "FittedAutoencodingPipeline": FittedAutoencodingPipeline,
    "CompletingPipeline": CompletingPipeline,
}

WEIGHTS = "diffusion_pytorch_model.safetensors"

Components = dict[str, type[ConfigMixin]]
Factory = Callable[..., LatentPipeline]  # from components by name to a pipeline
FACTORIES: dict[str, Factory] = PIPELINES | dict.fromkeys(DIFFUSERS_PIPELINES, from_diffusers)


def load(source: str | Path, revision: str | None = None) -> LatentPipeline:
    """Load a published pipeline from a folder or the Hub, in evaluation mode, float32, on the CPU.

    Reads only JSON and safetensors, and builds only the classes that a pipeline of genmodels
    names: no code of the source runs. DIFFUSERS_PIPELINES are loaded as a DenoisingPipeline; see
    `from_diffusers`.

    Args:
        source: folder with a model_index.json, or the id "user/name" of such a repository
        revision: branch, tag or commit on the Hub

    Raises:
        UserError: the source is not available, is not one of these pipelines, or is broken.
    """
    return from_folder(Path(source)) if os.path.isdir(source) else from_hub(str(source), revision)


def from_hub(source: str, revision: str | None = None) -> LatentPipeline:
    """Load a repository "user/name" of the Hub; see `load`."""
    folder = download(source, ["model_index.json"], revision)
    # Check the index before the large files, and take those from the same commit.
    factory, components = read_index(folder, source)
    patterns = [f"{name}/*{suffix}" for name in components for suffix in (".json", ".safetensors")]
    if factory is from_diffusers:
        patterns += FLAT_FILES
    return from_folder(
        download(source, ["model_index.json", RECORD, *patterns], folder.name), source
    )


def from_folder(folder: Path, source: str | None = None) -> LatentPipeline:
    """Load a folder with a model_index.json; see `load`. Error messages name the source."""
    factory, components = read_index(folder, source)
    flat = factory is from_diffusers and not any((folder / name).is_dir() for name in components)
    loaded = {
        name: load_component(folder if flat else folder / name, kind, f"{source or folder}/{name}")
        for name, kind in components.items()
    }
    pipeline = factory(**loaded)
    pipeline.classes = read_classes(folder, pipeline.num_classes)
    return pipeline


def read_index(folder: Path, source: str | None = None) -> tuple[Factory, Components]:
    """Return the class in a model_index.json, or `from_diffusers`, and its arguments' classes."""
    source = source or folder
    try:
        index = json.loads((folder / "model_index.json").read_text())
    except FileNotFoundError as error:
        raise UserError(f"expected a pipeline in {source}, found no model_index.json") from error
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"the model_index.json in {source} is broken: {error}") from error
    name = index.get("_class_name") if isinstance(index, dict) else index
    if not isinstance(name, str) or name not in FACTORIES:
        raise UserError(f"expected {' or '.join(FACTORIES)} in {source}, got {name}")
    factory = FACTORIES[name]
    hints = get_type_hints(factory.__init__ if isinstance(factory, type) else factory)
    options = {
        name for name, it in signature(factory).parameters.items() if it.default is not it.empty
    }
    hints = {name: hint for name, hint in hints.items() if name not in {"return", *options}}
    entries = {name: entry for name, entry in index.items() if not name.startswith("_")}
    if entries.keys() != hints.keys():
        raise UserError(f"expected {', '.join(hints)} in {source}, got {', '.join(entries)}")
    components = {}
    for name, hint in hints.items():
        kinds = get_args(hint) or (hint,)
        matches = [kind for kind in kinds if entries[name] == [library(kind), kind.__name__]]
        if not matches:
            expected = " or ".join(f"{library(kind)}.{kind.__name__}" for kind in kinds)
            remedy = "; convert it: DDIMScheduler.from_config(pipeline.scheduler.config)"
            remedy = remedy if factory is from_diffusers and name == "scheduler" else ""
            got = f"{entries[name]}{remedy}"
            raise UserError(f"expected {expected} as {name} in {source}, got {got}")
        components[name] = matches[0]
    return factory, components


def pipeline_class(folder: Path) -> type[LatentPipeline]:
    """Return the class that `from_folder` would load, without reading weights."""
    factory, _ = read_index(folder)
    return factory if isinstance(factory, type) else DenoisingPipeline


def library(kind: type[ConfigMixin]) -> str:
    """Return the library of a class as a model_index.json names it."""
    return kind.__module__ if kind.__module__.startswith("genmodels.") else "diffusers"


def load_component(folder: Path, kind: type[ConfigMixin], source: str) -> ConfigMixin:
    """Load a scheduler, or a network whose weights match its config exactly."""
    names = (WEIGHTS, f"{WEIGHTS}.index.json")
    if issubclass(kind, ModelMixin) and not any((folder / name).is_file() for name in names):
        others = ", ".join(sorted(it.name for it in folder.glob("*.*") if it.suffix != ".json"))
        raise UserError(
            f"expected {WEIGHTS} in {source}, found {others or 'none'}; only safetensors are read: "
            "save again with safe_serialization=True and without a variant"
        )
    try:
        if not issubclass(kind, ModelMixin):
            return kind.from_pretrained(folder)
        options = {"use_safetensors": True, "torch_dtype": torch.float32}
        network, info = kind.from_pretrained(folder, output_loading_info=True, **options)
    except Exception as error:  # diffusers raises many kinds for broken files
        raise UserError(f"{source} is broken: {first_line(error)}") from error
    mismatches = info["missing_keys"] + info["unexpected_keys"] + info["mismatched_keys"]
    if mismatches:
        raise UserError(f"the weights in {source} do not match its config: {mismatches[0]} ...")
    return network.eval()
