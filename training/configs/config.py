"""What a run is made of.

The command line is made from these fields, the comments beside them and a preset's values.
"""

import math
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

from tyro.conf import OmitArgPrefixes

from genmodels.errors import UserError
from genmodels.networks.convolutions import pyramid
from training.configs.architectures import Architecture
from training.objectives import Objective

# How a run is measured while it trains, by which its best is found.
EVALUATION = ("eval_every", "eval_samples", "eval_extractor")

# Fields of a run that do not change its result, and its two parts.
INDECISIVE = {"objective", "architecture", "output_dir", "report_to", "resume_from_checkpoint"}
INDECISIVE |= {"logging_steps", "preview_steps", "checkpointing_steps", "checkpoints_total_limit"}
INDECISIVE |= {*EVALUATION, "save_precision"}
INDECISIVE |= {"push_to_hub", "hub_model_id", "hub_private_repo", "hub_strategy"}

# Least value and bound of numbers; any other count is at least 1, and any other number at least 0.
BOUNDS = {
    "seed": (0, 2**63),
    "learning_rate": (1e-12, math.inf),
    "lr_warmup_steps": (0, math.inf),
    "adam_beta1": (0, 1),
    "adam_beta2": (0, 1),
    "kl_warmup_steps": (0, math.inf),
    "clip": (1e-12, math.inf),
    "snr_gamma": (1e-12, math.inf),
    "label_dropout": (0, 1),
    "dropout": (0, 1),
    "blocks": (0, math.inf),
}


@dataclass(frozen=True, kw_only=True)
class Config:
    """One run. A step is one of the generator, or of the one network; a critic's come inside."""

    objective: OmitArgPrefixes[Objective]
    architecture: OmitArgPrefixes[Architecture]

    dataset_name: str = "zalando-datasets/fashion_mnist"  # Hub id, or a local folder in Hub layout
    dataset_config_name: str | None = None  # where the dataset has several
    dataset_revision: str | None = None  # branch, tag or commit of the dataset on the Hub
    train_data_dir: str | None = None  # a folder of images, instead of dataset_name
    image_column: str | None = None  # None: the first column of images
    label_column: str | None = None  # None: the first column of classes, if there is one
    conditional: bool = False  # on the classes of the data
    resolution: int | None = None  # side in pixels; None: as the images are
    random_flip: bool = False  # mirror half of the images, by chance

    # A published model to go on from, a folder or an id on the Hub; a game's critic begins anew
    pretrained_model_name_or_path: str | None = None
    train_batch_size: int = 64  # images of a pass, on each process
    gradient_accumulation_steps: int = 1  # passes of a turn
    max_train_steps: int = 10_000  # steps of the generator, or of the one network
    optimizer: Literal["adam", "rmsprop"] = "adam"  # of every player
    learning_rate: float = 2e-4  # of every player
    lr_scheduler: Literal["constant", "constant_with_warmup", "linear", "cosine"] = "constant"
    lr_warmup_steps: int = 0  # over which the learning rate grows from 0, unless it is constant
    adam_beta1: float = 0.9  # decay of the mean of the gradients
    adam_beta2: float = 0.999  # decay of the mean of their squares
    ema_halflife: float = 500.0  # of the weight averages, in steps
    mixed_precision: Literal["no", "fp16", "bf16"] | None = None  # None: as accelerate was told
    channels_last: bool = True  # layout of the networks in memory
    torch_compile: bool = False  # the network whose turn it is
    cuda_graphs: bool = True  # launch all of a turn at once, where one GPU trains by single passes
    seed: int = 0  # of weights, data order, noise and sample grids

    output_dir: str  # of the pipeline, its card, checkpoints and sample grids
    save_precision: Literal["fp32", "fp16"] = "fp32"  # of the weights that are published
    report_to: Literal["trackio", "tensorboard", "wandb", "none"] = "trackio"  # the losses' tracker
    logging_steps: int = 50  # between two reports of the losses
    preview_steps: int = 500  # between two sample grids
    checkpointing_steps: int = 1000  # between two checkpoints
    checkpoints_total_limit: int = 2  # newest checkpoints that are kept
    eval_every: int | None = None  # steps between two measurements; None: never
    eval_samples: int = 5000  # of a generator's measurement
    eval_extractor: str = "inception"  # of it: or domain, or the folder of a classifier
    resume_from_checkpoint: str | None = None  # "latest", if there is one, or a folder
    push_to_hub: bool = False  # what is published
    hub_model_id: str | None = None  # "user/name" or "name"; None: the name of output_dir
    hub_private_repo: bool = False  # only ever into a private repository
    hub_strategy: Literal["end", "every_save"] = "end"  # once, or also at each checkpoint

    def __post_init__(self) -> None:
        """Raise UserError for what no run can be made of."""
        for part in (self, self.objective, self.architecture):
            for field in fields(part):
                value = getattr(part, field.name)
                if type(value) in (int, float):
                    usual = (1 if field.type in (int, int | None) else 0, math.inf)
                    least, below = BOUNDS.get(field.name, usual)
                    if not least <= value < below:
                        wanted = (
                            f"from {least} to below {below}" if below < math.inf else f">= {least}"
                        )
                        raise UserError(f"expected --{field.name} {wanted}, but got {value}")
        for name in ("dataset_config_name", "image_column", "label_column"):
            if self.train_data_dir is not None and getattr(self, name) is not None:
                raise UserError(f"expected no --{name} with --train_data_dir, which has none")
        if not self.push_to_hub and (self.hub_model_id is not None or self.hub_private_repo):
            raise UserError("expected --push_to_hub with --hub_model_id or --hub_private_repo")
        if self.resolution is not None:
            pyramid(self.resolution)

    @property
    def repository(self) -> str:
        """The id of the repository on the Hub."""
        return self.hub_model_id or Path(self.output_dir).resolve().name

    def decisive(self) -> dict[str, object]:
        """The fields that decide the result, by name, those of its two parts among them."""
        return {
            field.name: getattr(part, field.name)
            for part in (self, self.objective, self.architecture)
            for field in fields(part)
            if field.name not in INDECISIVE
        }
