"""What is published: folders or Hub repositories in diffusers' layout, weights in safetensors."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import get_args, get_type_hints

import torch
from diffusers.configuration_utils import ConfigMixin
from diffusers.models.modeling_utils import ModelMixin

from genmodels.errors import UserError, first_line
from genmodels.hub import download
from genmodels.pipelines.adversarial import AdversarialPipeline
from genmodels.pipelines.autoencoding import AutoencodingPipeline, FittedAutoencodingPipeline
from genmodels.pipelines.base import LatentPipeline
from genmodels.pipelines.completing import CompletingPipeline
from genmodels.pipelines.denoising import DenoisingPipeline
from genmodels.pipelines.diffusers_compat import denoising

# In the order in which they are offered: what is fast and sharp comes first.
PIPELINES: dict[str, type[LatentPipeline]] = {
    pipeline.__name__: pipeline
    for pipeline in (
        AdversarialPipeline,
        AutoencodingPipeline,
        DenoisingPipeline,
        FittedAutoencodingPipeline,
        CompletingPipeline,
    )
}

# Those of diffusers that come down to one of ours, by what makes it of their parts.
FOREIGN: dict[str, Callable[..., LatentPipeline]] = {
    "DDPMPipeline": denoising,
    "DDIMPipeline": denoising,
    "PNDMPipeline": denoising,
}
# Where the older of them have their parts: in no folders of their own.
FLAT = ["config.json", "scheduler_config.json", "diffusion_pytorch_model.safetensors"]


def load(source: str | Path, revision: str | None = None) -> LatentPipeline:
    """A published pipeline, from a folder or from the Hub, in evaluation mode on the CPU.

    In float32, whatever the precision of its files.

    Only JSON and safetensors are read, and only classes that a pipeline of genmodels names are
    built: no code of the source runs. Unconditional pipelines of diffusers (FOREIGN) come as a
    DenoisingPipeline.

    source: a folder with a model_index.json, or the id "user/name" of such a repository
    revision: branch, tag or commit on the Hub
    Raises UserError when the source is no pipeline of these, or cannot be had, or is broken.
    """
    return from_folder(Path(source)) if os.path.isdir(source) else from_hub(str(source), revision)


def from_hub(source: str, revision: str | None = None) -> LatentPipeline:
    """A repository of the Hub, by its id "user/name". Else as `load`."""
    folder = download(source, ["model_index.json"], revision)
    # The weights come only once it is known that they are of use, and from the same commit.
    build, parts = read_index(folder, source)
    wanted = [f"{part}/*{suffix}" for part in parts for suffix in (".json", ".safetensors")]
    if build in FOREIGN.values():
        wanted += FLAT
    return from_folder(download(source, ["model_index.json", *wanted], folder.name), source)


def from_folder(folder: Path, source: str | None = None) -> LatentPipeline:
    """A folder with a model_index.json. Else as `load`.

    source: what it is called where it is broken; None: by its path
    """
    build, parts = read_index(folder, source)
    flat = build in FOREIGN.values() and not any((folder / part).is_dir() for part in parts)
    loaded = {}
    for part, kind in parts.items():
        called = f"{source or folder}/{part}"
        loaded[part] = load_component(folder if flat else folder / part, kind, called)
    return build(**loaded)


def read_index(
    folder: Path, source: str | None = None
) -> tuple[Callable[..., LatentPipeline], dict[str, type[ConfigMixin]]]:
    """The model_index.json in a folder -> its pipeline's class and its parts' classes by name.

    In place of a class of diffusers, what makes a pipeline of such parts. A class of a part is only
    ever one of those that these name.
    """
    called = source or folder
    try:
        index = json.loads((folder / "model_index.json").read_text())
    except FileNotFoundError as error:
        raise UserError(
            f"expected a pipeline in {called}, but it has no model_index.json"
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"the model_index.json in {called} is broken: {error}") from error
    name = index.get("_class_name") if isinstance(index, dict) else index
    known = PIPELINES | FOREIGN
    if not isinstance(name, str) or name not in known:
        raise UserError(f"expected {' or '.join(known)} in {called}, but it is a {name}")
    build = known[name]
    expected = get_type_hints(build.__init__ if isinstance(build, type) else build)
    expected.pop("return")
    found = {part: kind for part, kind in index.items() if not part.startswith("_")}
    if found.keys() != expected.keys():
        raise UserError(f"expected {', '.join(expected)} in {called}, but got {', '.join(found)}")
    parts = {}
    for part, hint in expected.items():
        kinds = get_args(hint) or (hint,)
        fitting = [kind for kind in kinds if found[part] == [library(kind), kind.__name__]]
        if not fitting:
            wanted = " or ".join(f"{library(kind)}.{kind.__name__}" for kind in kinds)
            raise UserError(f"expected {wanted} as {part} in {called}, but got {found[part]}")
        parts[part] = fitting[0]
    return build, parts


def pipeline_class(folder: Path) -> type[LatentPipeline]:
    """What `from_folder` makes of a folder, of which no weight is read. Raises UserError as it."""
    build, _ = read_index(folder)
    return build if isinstance(build, type) else get_type_hints(build)["return"]


def library(kind: type[ConfigMixin]) -> str:
    """Where a class comes from, in the words of diffusers: its own classes count as one library."""
    return kind.__module__ if kind.__module__.startswith("genmodels.") else "diffusers"


def load_component(folder: Path, kind: type[ConfigMixin], called: str) -> ConfigMixin:
    """A schedule of noise, or a network with exactly the weights that its file holds."""
    try:
        if not issubclass(kind, ModelMixin):
            return kind.from_pretrained(folder)
        network, found = kind.from_pretrained(
            folder, use_safetensors=True, output_loading_info=True, torch_dtype=torch.float32
        )
    except Exception as error:  # anything may be wrong with the files of others
        raise UserError(f"what is in {called} is broken: {first_line(error)}") from error
    wrong = found["missing_keys"] + found["unexpected_keys"] + found["mismatched_keys"]
    if wrong:
        raise UserError(f"the weights in {called} do not fit its network: {wrong[0]} ...")
    return network.eval()
