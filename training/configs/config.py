"""Configuration of a training run.

tyro turns the fields into flags of the command line, the comments beside them into help texts, and
a preset's values into defaults.
"""

import math
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

from tyro.conf import OmitArgPrefixes

from genmodels.data import Decoding, ResizeMode
from genmodels.errors import UserError
from training.configs.architectures import Architecture
from training.objectives import Objective

# Fields that say how evaluation during training selects the best model.
EVALUATION_FIELDS = ("eval_every", "eval_samples", "eval_extractor")

# Fields that do not change the trained weights. The objective and the architecture contribute
# their own fields instead.
OPERATIONAL_FIELDS = {"objective", "architecture", "output_dir", "save_precision", "report_to"}
OPERATIONAL_FIELDS |= {"logging_steps", "preview_steps", "checkpointing_steps"}
OPERATIONAL_FIELDS |= {"checkpoints_total_limit", "resume_from_checkpoint", *EVALUATION_FIELDS}
OPERATIONAL_FIELDS |= {"push_to_hub", "hub_model_id", "hub_private_repo", "hub_strategy"}

# Ranges [minimum, limit) of numbers. Other integers are at least 1, other floats at least 0.
POSITIVE = ("learning_rate", "max_grad_norm", "clip_value", "snr_gamma")
RANGES = {"seed": (0, 2**63), "levels": (1, 9)} | dict.fromkeys(POSITIVE, (1e-12, math.inf))
RANGES |= dict.fromkeys(
    ("lr_warmup_steps", "kl_warmup_steps", "blocks", "attention"), (0, math.inf)
)
RANGES |= dict.fromkeys(("adam_beta1", "adam_beta2", "label_dropout", "dropout"), (0, 1))


@dataclass(frozen=True, kw_only=True)
class Config:
    """Train one model.

    A step is one update of the generator, or of the only network; critic updates are part of it.
    """

    objective: OmitArgPrefixes[Objective]
    architecture: OmitArgPrefixes[Architecture]

    dataset_name: str = "zalando-datasets/fashion_mnist"  # Hub id or folder of a Hub dataset
    dataset_config_name: str | None = None  # configuration of a dataset with several
    dataset_revision: str | None = None  # branch, tag or commit of the dataset on the Hub
    # folder, ZIP archive or NPZ file of images, used instead of --dataset_name
    train_data_dir: str | None = None
    # split to train on, or several joined by +; None: train, or the only split there is
    dataset_split: str | None = None
    image_column: str | None = None  # column of the images; None: the first image column
    # column of the labels: classes, integers, strings or booleans; None: the first column of
    # classes, else the column label, labels, class or category
    label_column: str | None = None
    conditional: bool = False  # condition the model on the class labels
    resolution: int | None = None  # side in pixels; None: the size of the images
    # how images become square: crop the longer side in the middle or at random positions, pad the
    # shorter one with the background, or stretch
    resize_mode: ResizeMode = "crop"
    background: str = "white"  # color behind transparent images and beside padded ones
    skip_broken: bool = False  # leave out images that cannot be decoded
    random_flip: bool = False  # flip each image horizontally with probability 1/2

    # start from the weights of a published model (folder or Hub id); GAN critics are not published
    # and start from random weights
    pretrained_model_name_or_path: str | None = None
    train_batch_size: int = 64  # batch size per process
    gradient_accumulation_steps: int = 1  # batches per update
    max_train_steps: int = 10_000  # number of training steps
    optimizer: Literal["adam", "rmsprop"] = "adam"  # optimizer of every network
    learning_rate: float = 2e-4  # initial learning rate of every network, after warm-up
    # learning rate schedule; linear and cosine decay to 0 at the last step
    lr_scheduler: Literal["constant", "constant_with_warmup", "linear", "cosine"] = "constant"
    lr_warmup_steps: int = 0  # steps over which the learning rate rises from 0 (not with constant)
    adam_beta1: float = 0.9  # beta1 of Adam
    adam_beta2: float = 0.999  # beta2 of Adam
    max_grad_norm: float | None = None  # clip each network's gradient norm; None: no clipping
    ema_halflife: float = 500.0  # half-life of the weights' exponential moving average, in steps
    mixed_precision: Literal["no", "fp16", "bf16"] | None = None  # None: accelerate's setting
    channels_last: bool = True  # store the networks in the channels-last memory format
    gradient_checkpointing: bool = False  # recompute activations to save memory (U-Net only)
    torch_compile: bool = False  # compile the networks with torch.compile
    cuda_graphs: bool = True  # run updates as CUDA graphs where possible (one GPU, no fp16)
    seed: int = 0  # seed of weights, data order, noise and sample grids

    output_dir: str  # folder for checkpoints, sample grids and the trained model
    save_precision: Literal["fp32", "fp16"] = "fp32"  # precision of the published weights
    report_to: Literal["trackio", "tensorboard", "wandb", "none"] = "trackio"  # experiment tracker
    logging_steps: int = 50  # log losses every N steps
    preview_steps: int = 500  # save a sample grid every N steps
    checkpointing_steps: int = 1000  # save a checkpoint every N steps
    checkpoints_total_limit: int = 2  # number of checkpoints to keep
    eval_every: int | None = None  # evaluate every N steps and keep the best model; None: never
    eval_samples: int = 5000  # number of samples for FID
    eval_extractor: str = "inception"  # inception, inception-bf16, domain, or a classifier's folder
    resume_from_checkpoint: str | None = None  # checkpoint folder, or "latest"
    push_to_hub: bool = False  # push the trained model to the Hub
    hub_model_id: str | None = None  # "user/name" or "name"; None: the name of --output_dir
    hub_private_repo: bool = False  # create the repository as private, refuse a public one
    hub_strategy: Literal["end", "every_save"] = "end"  # push at the end, or at each checkpoint

    def __post_init__(self) -> None:
        """Raise UserError for values out of range and for flags that exclude each other."""
        for part in (self, self.objective, self.architecture):
            for field in fields(part):
                check_range(field.name, getattr(part, field.name), field.type in (int, int | None))
        Decoding(self.resolution, self.resize_mode, self.background).check()
        for name in ("dataset_config_name", "dataset_revision"):
            if self.train_data_dir is not None and (value := getattr(self, name)) is not None:
                raise UserError(f"expected no --{name} with --train_data_dir, got {value}")
        if not self.push_to_hub and (self.hub_model_id is not None or self.hub_private_repo):
            raise UserError("expected --push_to_hub with --hub_model_id or --hub_private_repo")
        if self.resolution is not None:
            self.architecture.check_side(self.resolution)

    @property
    def repository(self) -> str:
        """Repository id on the Hub."""
        return self.hub_model_id or Path(self.output_dir).resolve().name

    def result_fields(self) -> dict[str, object]:
        """Return all fields, of the two parts too, that determine the trained weights, by name."""
        return {
            field.name: getattr(part, field.name)
            for part in (self, self.objective, self.architecture)
            for field in fields(part)
            if field.name not in OPERATIONAL_FIELDS
        }


def check_range(name: str, value: object, is_integer: bool) -> None:
    """Raise UserError if a number is outside its range in RANGES."""
    if type(value) not in (int, float):
        return
    minimum, limit = RANGES.get(name, (1 if is_integer else 0, math.inf))
    if not minimum <= value < limit:
        bounds = f"in [{minimum}, {limit})" if limit < math.inf else f">= {minimum}"
        raise UserError(f"expected --{name} {bounds}, got {value}")
