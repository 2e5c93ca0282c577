"""What is published: folders or Hub repositories in diffusers' layout, weights in safetensors."""

import json
import os
from pathlib import Path
from typing import get_args, get_type_hints

import torch
from diffusers.configuration_utils import ConfigMixin
from diffusers.models.modeling_utils import ModelMixin
from huggingface_hub import hf_hub_download, snapshot_download
from huggingface_hub.utils import validate_repo_id

from genmodels.errors import reason

from .adversarial import AdversarialPipeline
from .autoencoding import AutoencodingPipeline, FittedAutoencodingPipeline
from .base import LatentPipeline
from .completing import CompletingPipeline
from .denoising import DenoisingPipeline

PIPELINES: dict[str, type[LatentPipeline]] = {
    pipeline.__name__: pipeline
    for pipeline in (
        AdversarialPipeline,
        AutoencodingPipeline,
        FittedAutoencodingPipeline,
        DenoisingPipeline,
        CompletingPipeline,
    )
}


def load(source: str | Path, revision: str | None = None) -> LatentPipeline:
    """A published pipeline, from a folder or from the Hub, in evaluation mode on the CPU.

    In float32, whatever the precision of its files.

    Only JSON and safetensors are read, and only classes that a pipeline of genmodels names are
    built: no code of the source runs.

    source: a folder with a model_index.json, or the id "user/name" of such a repository
    revision: branch, tag or commit on the Hub
    Raises ValueError when the source is no pipeline of genmodels, or a file of it is broken.
    """
    return from_folder(Path(source)) if os.path.isdir(source) else from_hub(str(source), revision)


def from_hub(source: str, revision: str | None = None) -> LatentPipeline:
    """A repository of the Hub, by its id "user/name". Else as `load`."""
    try:
        validate_repo_id(source)
        index = hf_hub_download(source, "model_index.json", revision=revision)
    except Exception as error:
        raise ValueError(
            f"expected a folder or the id of a model on the Hub, but could not get {source!r}"
        ) from error
    # The weights come only once it is known that they are of use.
    _, parts = read_index(Path(index).parent)
    wanted = [f"{name}/{file}" for name in parts for file in ("*.json", "*.safetensors")]
    try:
        folder = snapshot_download(
            source, revision=revision, allow_patterns=["model_index.json", *wanted]
        )
    except Exception as error:
        raise ValueError(f"could not get the files of {source!r} from the Hub") from error
    return from_folder(Path(folder))


def from_folder(folder: Path) -> LatentPipeline:
    """A folder with a model_index.json. Else as `load`."""
    pipeline, parts = read_index(folder)
    return pipeline(**{name: component(folder / name, kind) for name, kind in parts.items()})


def read_index(folder: Path) -> tuple[type[LatentPipeline], dict[str, type[ConfigMixin]]]:
    """The model_index.json in a folder -> its pipeline's class and its parts' classes by name.

    A class is only ever one of those that the pipeline's constructor names.
    """
    try:
        index = json.loads((folder / "model_index.json").read_text())
    except FileNotFoundError as error:
        raise ValueError(
            f"expected a pipeline in {folder}, but it has no model_index.json"
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"the model_index.json in {folder} is broken: {error}") from error
    name = index.get("_class_name") if isinstance(index, dict) else index
    if not isinstance(name, str) or name not in PIPELINES:
        raise ValueError(f"expected {' or '.join(PIPELINES)} in {folder}, but it is a {name}")
    expected = get_type_hints(PIPELINES[name].__init__)
    expected.pop("return")
    found = {part: kind for part, kind in index.items() if not part.startswith("_")}
    if found.keys() != expected.keys():
        raise ValueError(f"expected {', '.join(expected)} in {folder}, but got {', '.join(found)}")
    parts = {}
    for part, hint in expected.items():
        kinds = get_args(hint) or (hint,)
        fitting = [kind for kind in kinds if found[part] == [library(kind), kind.__name__]]
        if not fitting:
            wanted = " or ".join(f"{library(kind)}.{kind.__name__}" for kind in kinds)
            raise ValueError(f"expected {wanted} as {part} in {folder}, but got {found[part]}")
        parts[part] = fitting[0]
    return PIPELINES[name], parts


def library(kind: type[ConfigMixin]) -> str:
    """Where a class comes from, in the words of diffusers: its own classes count as one library."""
    return kind.__module__ if kind.__module__.startswith("genmodels.") else "diffusers"


def component(folder: Path, kind: type[ConfigMixin]) -> ConfigMixin:
    """A schedule of noise, or a network with exactly the weights that its file holds."""
    try:
        if not issubclass(kind, ModelMixin):
            return kind.from_pretrained(folder)
        network, found = kind.from_pretrained(
            folder, use_safetensors=True, output_loading_info=True, torch_dtype=torch.float32
        )
    except Exception as error:  # anything may be wrong with the files of others
        raise ValueError(f"what is in {folder} is broken: {reason(error)}") from error
    wrong = found["missing_keys"] + found["unexpected_keys"] + found["mismatched_keys"]
    if wrong:
        raise ValueError(f"the weights in {folder} do not fit its network: {wrong[0]} ...")
    return network.eval()
