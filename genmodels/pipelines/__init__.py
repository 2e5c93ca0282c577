"""What is published: folders or Hub repositories in the layout of diffusers, weights in safetensors."""

import importlib
import json
import re
from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
from safetensors import SafetensorError

from .adversarial import AdversarialPipeline
from .autoencoding import AutoencodingPipeline
from .base import LatentPipeline

PIPELINES: dict[str, type[LatentPipeline]] = {
    pipeline.__name__: pipeline for pipeline in (AdversarialPipeline, AutoencodingPipeline)
}


def load(source: str | Path, revision: str | None = None) -> LatentPipeline:
    """A published pipeline, from a folder or from the Hub, in evaluation mode on the CPU.

    Only JSON and safetensors are read, and only networks of genmodels are built: no code of the source runs.

    source: a folder with a model_index.json, or the id "user/name" of such a repository
    revision: branch, tag or commit on the Hub
    Raises ValueError when there is no pipeline of genmodels at the source, or a file of it is broken.
    """
    folder = Path(source)
    if not folder.is_dir():
        folder = download(str(source), revision)
    try:
        index = json.loads((folder / "model_index.json").read_text())
    except FileNotFoundError as error:
        raise ValueError(
            f"expected a pipeline at {source}, but there is no model_index.json"
        ) from error
    except ValueError as error:
        raise ValueError(f"the model_index.json at {source} is broken: {error}") from error
    kind = index.get("_class_name")
    if kind not in PIPELINES:
        raise ValueError(f"expected one of {', '.join(PIPELINES)} at {source}, but it is a {kind}")
    parts = {name: part for name, part in index.items() if not name.startswith("_")}
    return PIPELINES[kind](**{name: component(folder, name, *part) for name, part in parts.items()})


def download(source: str, revision: str | None) -> Path:
    """Fetch a repository of the Hub, or find it in the cache."""
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", source):
        raise ValueError(f"expected a folder or a Hub id user/name, but got {source!r}")
    try:
        return Path(
            snapshot_download(
                source, revision=revision, allow_patterns=["*.json", "*.safetensors", "README.md"]
            )
        )
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise ValueError(f"found no folder {source} and could not fetch it from the Hub") from error


def component(folder: Path, name: str, module: str, kind: str):
    """One network of a pipeline, every weight of it from its file and no other."""
    if not module.startswith("genmodels.networks."):
        raise ValueError(f"expected a network of genmodels as {name}, but got {module}.{kind}")
    try:
        network, found = getattr(importlib.import_module(module), kind).from_pretrained(
            folder / name, use_safetensors=True, output_loading_info=True
        )
    except (AttributeError, ImportError) as error:
        raise ValueError(f"this version of genmodels has no network {module}.{kind}") from error
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise ValueError(f"the {name} at {folder} is broken: {error}") from error
    wrong = found["missing_keys"] + found["unexpected_keys"] + found["mismatched_keys"]
    if wrong:
        raise ValueError(f"the weights of the {name} at {folder} do not fit it: {wrong[0]} ...")
    return network.eval()
