"""Read the configuration of a published run from its training.json."""

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from types import UnionType
from typing import Annotated, Literal, TypeVar, Union, get_args, get_origin

from genmodels.errors import UserError, display_name, first_line
from training.configs import architectures
from training.configs.architectures import Architecture
from training.configs.config import Config
from training.objectives import OBJECTIVES, Objective

ARCHITECTURES: dict[str, type[Architecture]] = {
    name: kind
    for name, kind in vars(architectures).items()
    if isinstance(kind, type) and issubclass(kind, Architecture) and kind is not Architecture
}

# Old field names in files published before the fields were renamed.
RENAMED_FIELDS = {
    "halflife": "ema_halflife",
    "critic_turns": "critic_updates",
    "sampling_steps": "preview_steps",
    "clip": "clip_value",
    "penalty": "penalty_weight",
    "reconstruction": "reconstruction_weight",
    "whole": "full_mask_probability",
}

# Values that runs had before their field existed.
FORMER_VALUES = {"attention": 8, "max_width": None, "schedule_base_side": None}

Part = TypeVar("Part")


def load_config(file: str | Path) -> Config:
    """Return the configuration that a training.json describes, with a new output folder.

    Keys that are not fields, such as "command", are ignored; missing fields have the values
    of FORMER_VALUES or their defaults.
    Raises UserError if the file cannot be read or has invalid values.
    """
    file = Path(file)
    try:
        settings = dict(json.loads(file.read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise UserError(
            f"expected --config to be a run's training.json, got {file}: {first_line(error)}"
        ) from error
    settings = {RENAMED_FIELDS.get(name, name): value for name, value in settings.items()}
    settings = FORMER_VALUES | settings
    for name, kinds in (("objective", OBJECTIVES), ("architecture", ARCHITECTURES)):
        kind = str(settings.get(name))
        if kind not in kinds:
            names = ", ".join(kinds)
            raise UserError(f"expected {name} to be one of {names} in {file}, got {kind}")
        settings[name] = build(kinds[kind], settings, file)
    output_dir = f"runs/{display_name(file.parent).replace('/', '-')}"
    return build(Config, settings | {"output_dir": output_dir}, file)


def build(kind: type[Part], settings: Mapping[str, object], file: Path) -> Part:
    """Build a dataclass from those settings that are its fields."""
    values = {}
    for field in fields(kind):
        if field.name not in settings:
            continue
        value = settings[field.name]
        if not isinstance(value, Objective | Architecture) and not matches(value, field.type):
            raise UserError(f"expected a valid {field.name} in {file}, got {value!r}")
        values[field.name] = tuple(value) if isinstance(value, list) else value
    return kind(**values)


def matches(value: object, hint: object) -> bool:
    """Return whether a value from JSON is of a field's type."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return any(matches(value, argument) for argument in arguments)
    if origin is Annotated:
        return matches(value, arguments[0])
    if origin is Literal:
        return value in arguments
    if origin is tuple:
        return isinstance(value, list) and all(matches(item, arguments[0]) for item in value)
    return type(value) is hint or (hint is float and type(value) is int)
