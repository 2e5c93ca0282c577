"""What is published: folders or Hub repositories in diffusers' layout, weights in safetensors."""

import json
from importlib import import_module
from inspect import signature
from pathlib import Path

import httpx
from diffusers.models.modeling_utils import ModelMixin
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id
from safetensors import SafetensorError

from .adversarial import AdversarialPipeline
from .autoencoding import AutoencodingPipeline
from .base import LatentPipeline

PIPELINES: dict[str, type[LatentPipeline]] = {
    pipeline.__name__: pipeline for pipeline in (AdversarialPipeline, AutoencodingPipeline)
}


def load(source: str | Path, revision: str | None = None) -> LatentPipeline:
    """A published pipeline, from a folder or from the Hub, in evaluation mode on the CPU.

    Only JSON and safetensors are read, and only networks of genmodels are built: no code of the
    source runs.

    source: a folder with a model_index.json, or the id "user/name" of such a repository
    revision: branch, tag or commit on the Hub
    Raises ValueError when the source is no pipeline of genmodels, or a file of it is broken.
    """
    return from_folder(Path(source)) if Path(source).is_dir() else from_hub(str(source), revision)


def from_hub(source: str, revision: str | None = None) -> LatentPipeline:
    """A repository of the Hub, by its id "user/name". Else as `load`."""
    try:
        validate_repo_id(source)
        folder = snapshot_download(
            source, revision=revision, allow_patterns=["*.json", "*.safetensors"]
        )
    except (HFValidationError, OSError, httpx.HTTPError) as error:
        raise ValueError(
            f"expected a folder or the id of a model on the Hub, but could not get {source!r}"
        ) from error
    return from_folder(Path(folder))


def from_folder(folder: Path) -> LatentPipeline:
    """A folder with a model_index.json. Else as `load`."""
    try:
        index = json.loads((folder / "model_index.json").read_text())
    except FileNotFoundError as error:
        raise ValueError(
            f"expected a pipeline in {folder}, but it has no model_index.json"
        ) from error
    except ValueError as error:
        raise ValueError(f"the model_index.json in {folder} is broken: {error}") from error
    kind = index.get("_class_name")
    if kind not in PIPELINES:
        raise ValueError(f"expected {' or '.join(PIPELINES)} in {folder}, but it is a {kind}")
    parts = {name: part for name, part in index.items() if not name.startswith("_")}
    expected = signature(PIPELINES[kind]).parameters
    if parts.keys() != expected.keys():
        raise ValueError(f"expected {', '.join(expected)} in {folder}, but got {', '.join(parts)}")
    return PIPELINES[kind](**{name: component(folder / name, part) for name, part in parts.items()})


def component(folder: Path, part: object) -> ModelMixin:
    """One network of a pipeline, with exactly the weights that its file holds.

    part: its module and class
    """
    match part:
        case [str(module), str(kind)] if module.startswith("genmodels.networks."):
            pass
        case _:
            raise ValueError(f"expected a network of genmodels in {folder}, but got {part}")
    try:
        network, found = getattr(import_module(module), kind).from_pretrained(
            folder, use_safetensors=True, output_loading_info=True
        )
    except (AttributeError, ImportError) as error:
        raise ValueError(f"this version of genmodels has no network {module}.{kind}") from error
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"the network in {folder} is broken: {reason}") from error
    wrong = found["missing_keys"] + found["unexpected_keys"] + found["mismatched_keys"]
    if wrong:
        raise ValueError(f"the weights in {folder} do not fit its network: {wrong[0]} ...")
    return network.eval()
