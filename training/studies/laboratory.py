"""The 2-D laboratory: train any objective on toy data, and critics on the line, step by step.

`training.core.trainer` trains here as it does on images, with the same objectives.

N points, G side of the grid of scores, A arrows.
"""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import torch
from accelerate import Accelerator
from torch import Tensor

from genmodels.distances.divergences import Discrete, align_supports, jensen_shannon
from genmodels.distances.optimal_transport import exact_transport
from genmodels.errors import UserError
from genmodels.pipelines.base import LatentPipeline
from training.configs.config import Config
from training.core.batches import mix_seed
from training.core.trainer import Trainer
from training.objectives import OBJECTIVES
from training.objectives.adversarial import Wasserstein
from training.objectives.base import Networks
from training.studies import toy2d
from training.studies.toy2d import DATASETS, PointBatches, ToyData, ToyGAN

STEPS = 2000  # by default
MAX_STEPS = 5000
POINTS = 20_000  # training points
PLOT_SAMPLES = 512  # samples in a frame
EVAL_SAMPLES = 2048  # samples for JS and mode coverage
BINS = 24  # per side of the histograms for JS
SCORE_SIDE = 41  # side of the grid of critic scores
ARROW_SIDE = 15  # side of the grid of arrows


class Field(NamedTuple):
    """A model's output on a grid over [-1, 1]²."""

    scores: Tensor | None  # (G, G) critic scores, rows by increasing y; None without a critic
    positions: Tensor  # (A, 2)
    arrows: Tensor  # (A, 2), the direction in which the model moves a sample


def critic_field(pipeline: LatentPipeline, networks: Networks) -> Field:
    """Compute the critic's scores and their gradient, which the generator's samples follow."""
    critic = networks["critic"]
    with torch.no_grad():
        scores = critic(square_grid(SCORE_SIDE)[:, :, None, None]).view(SCORE_SIDE, SCORE_SIDE)
    positions = square_grid(ARROW_SIDE).requires_grad_()
    (arrows,) = torch.autograd.grad(critic(positions[:, :, None, None]).sum(), positions)
    return Field(scores, positions.detach(), arrows)


@torch.no_grad()
def reconstruction_field(pipeline: LatentPipeline, networks: Networks) -> Field:
    """Compute the shift from each point to its reconstruction by an autoencoder."""
    positions = square_grid(ARROW_SIDE)
    reconstructions = pipeline.decode(pipeline.encode(positions[:, :, None, None])).flatten(1)
    return Field(None, positions, reconstructions - positions)


@torch.no_grad()
def denoising_field(pipeline: LatentPipeline, networks: Networks) -> Field:
    """Compute the shift from each point to its denoised estimate at timestep 250 of 1000."""
    positions = square_grid(ARROW_SIDE)
    clean = pipeline.predict_clean(positions[:, :, None, None], 250, None).flatten(1)
    return Field(None, positions, clean - positions)


def square_grid(side: int) -> Tensor:
    """Points (side², 2) of a grid over [-1, 1]², rows by increasing y."""
    line = torch.linspace(-1, 1, side)
    return torch.cartesian_prod(line, line).flip(1)


class Experiment(NamedTuple):
    """A training configuration, and how to sample and show the model."""

    config: Config
    field: Callable[[LatentPipeline, Networks], Field] = critic_field
    num_inference_steps: int | None = None  # diffusion only


GAN = Config(
    objective=OBJECTIVES["gan"](),
    architecture=ToyGAN(),
    train_batch_size=128,
    learning_rate=1e-3,
    adam_beta1=0.0,
    adam_beta2=0.9,
    ema_halflife=20.0,
    channels_last=False,
    mixed_precision="no",
    report_to="none",
    output_dir="nowhere",
)
NON_ADVERSARIAL = replace(GAN, learning_rate=2e-3, adam_beta1=0.9, adam_beta2=0.99)

# Few critic updates per step, so that training takes seconds.
WGAN = OBJECTIVES["wgan"](critic_updates=3, clip_value=0.1)
WGAN_GP = OBJECTIVES["wgan-gp"](critic_updates=2, penalty_weight=1.0)
SNGAN = OBJECTIVES["sngan"](critic_updates=2)
VAE = OBJECTIVES["vae"](beta=0.003)

EXPERIMENTS: dict[str, Experiment] = {
    "gan-saturating": Experiment(replace(GAN, objective=OBJECTIVES["gan-saturating"]())),
    "gan": Experiment(GAN),
    "wgan": Experiment(replace(GAN, objective=WGAN, optimizer="rmsprop", learning_rate=5e-4)),
    "wgan-gp": Experiment(replace(GAN, objective=WGAN_GP)),
    "sngan": Experiment(replace(GAN, objective=SNGAN, architecture=ToyGAN(spectral_norm=True))),
    "r3gan": Experiment(replace(GAN, objective=OBJECTIVES["r3gan"](gamma=0.1))),
    "vae": Experiment(
        replace(NON_ADVERSARIAL, objective=VAE, architecture=toy2d.ToyAutoencoder()),
        reconstruction_field,
    ),
    "diffusion": Experiment(
        replace(
            NON_ADVERSARIAL,
            objective=OBJECTIVES["diffusion"](),
            architecture=toy2d.ToyDiffusion(),
            train_batch_size=256,
            ema_halflife=100.0,
        ),
        denoising_field,
        num_inference_steps=10,
    ),
}


class Frame(NamedTuple):
    """The state of training after a number of steps, evaluated with the EMA weights."""

    step: int
    losses: dict[str, float]  # keys "network/loss"; empty before the first step
    samples: Tensor  # (N, 2)
    field: Field
    js: float  # in nats, between histograms
    w1: float  # between N samples and N points, exact
    covered_modes: int
    fraction_near_modes: float
    seconds: float  # since the start


class Run(NamedTuple):
    """A training run. Training happens while `frames` are consumed."""

    data: ToyData
    samples: Tensor  # (N, 2) points of the data
    js_floor: float  # between two samples of the data: the best value to expect of a model
    w1_floor: float
    frames: Iterator[Frame]


def run(
    data: str | Tensor, objective: str, steps: int = STEPS, seed: int = 0, frames: int = 40
) -> Run:
    """Prepare a training run. The same arguments give bit-equal frames, except for `seconds`.

    Data are a row of DATASETS or points (N, 2) in [-1, 1], the objective is a row of EXPERIMENTS.
    Raises UserError if an argument is out of range, and at a frame if training diverges.
    """
    if objective not in EXPERIMENTS:
        raise UserError(f"expected one of {', '.join(EXPERIMENTS)}, got {objective!r}")
    if not isinstance(data, Tensor) and data not in DATASETS:
        raise UserError(f"expected one of {', '.join(DATASETS)} or points, got {data!r}")
    if not 1 <= steps <= MAX_STEPS:
        raise UserError(f"expected steps from 1 to {MAX_STEPS}, got {steps}")
    if seed < 0:
        raise UserError(f"expected a seed of at least 0, got {seed}")
    rng = torch.Generator().manual_seed(mix_seed("points", seed))
    make = partial(toy2d.resampled_points, data) if isinstance(data, Tensor) else DATASETS[data]
    real = make(POINTS, rng)
    points, samples = real.points, real.points[:PLOT_SAMPLES]
    js = jensen_shannon(histogram(points[:EVAL_SAMPLES]), histogram(points[EVAL_SAMPLES:])).item()
    w1 = exact_transport(points[PLOT_SAMPLES : 2 * PLOT_SAMPLES], samples).cost.item()
    frame_steps = sorted({round(steps * frame / frames) for frame in range(frames + 1)})
    return Run(real, samples, js, w1, train(EXPERIMENTS[objective], real, frame_steps, seed))


def train(
    experiment: Experiment, real: ToyData, frame_steps: list[int], seed: int
) -> Iterator[Frame]:
    """Train, and yield a frame after each number of steps in `frame_steps`."""
    start = time.perf_counter()
    config, field, num_inference_steps = experiment
    trainer = new_trainer(config, 2, seed)
    networks = trainer.ema.networks
    pipeline = config.objective.pipeline(networks)
    rng = torch.Generator().manual_seed(mix_seed("latents", seed))
    latents = torch.randn(EVAL_SAMPLES, *pipeline.latent_shape, generator=rng)
    batches = PointBatches(real.points, config.train_batch_size, seed)
    real_histogram = histogram(real.points[EVAL_SAMPLES:])
    losses: dict[str, float] = {}
    for step in frame_steps:
        while trainer.progress.step < step:
            losses = {}
            for network, values in trainer.train_step(batches):
                losses |= {f"{network}/{name}": value for name, value in values.items()}
        with torch.no_grad():
            samples = pipeline.decode(latents, num_inference_steps=num_inference_steps).flatten(1)
        if not samples.isfinite().all():
            failure = f"training diverged: non-finite values at step {step}"
            raise UserError(f"{failure}; try another seed or fewer steps")
        yield Frame(
            step,
            {name: float(value) for name, value in losses.items()},
            samples[:PLOT_SAMPLES],
            field(pipeline, networks),
            jensen_shannon(histogram(samples), real_histogram).item(),
            exact_transport(samples[:PLOT_SAMPLES], real.points[:PLOT_SAMPLES]).cost.item(),
            *real.mode_coverage(samples),
            time.perf_counter() - start,
        )


SEED_LOCK = threading.Lock()  # held from seeding torch globally until networks are initialised


def new_trainer(
    config: Config, channels: int, seed: int, replacements: Networks | None = None
) -> Trainer:
    """Create a trainer on the CPU. Some of the config's networks can be replaced by others."""
    with SEED_LOCK:
        torch.manual_seed(mix_seed("weights", seed))
        networks = config.architecture.networks(channels, 1)
    return Trainer(config, networks | dict(replacements or {}), Accelerator(cpu=True))


def histogram(points: Tensor) -> Discrete:
    """Histogram of points (N, 2) over [-1, 1]²; points outside count in the outermost bins."""
    bins = ((points + 1) / 2 * BINS).floor().clamp(0, BINS - 1).long()
    counts = torch.bincount(bins[:, 1] * BINS + bins[:, 0], minlength=BINS**2).double()
    return Discrete(torch.arange(BINS**2), counts / counts.sum())


class CriticEstimate(NamedTuple):
    """A trained critic and its estimate of W₁ between two distributions on the line."""

    values: Tensor  # (N,) f on the union of supports, first 0
    lipschitz: float  # largest slope of f between neighbouring points
    distance: float  # (E_p f − E_q f) / lipschitz, a lower bound of W₁


# The hinge loss of SNGAN estimates no distance, so spectral norm is combined with the WGAN loss.
CRITICS: dict[str, Config] = {
    "weight clipping": replace(EXPERIMENTS["wgan"].config, learning_rate=1e-3),
    "gradient penalty": replace(GAN, objective=OBJECTIVES["wgan-gp"](penalty_weight=10.0)),
    "spectral norm": replace(GAN, objective=Wasserstein(), architecture=ToyGAN(spectral_norm=True)),
}


def train_critics(
    p: Discrete, q: Discrete, steps: int = 300, seed: int = 0
) -> dict[str, CriticEstimate]:
    """Train each of CRITICS to estimate W₁, whose exact critic is the Kantorovich potential."""
    points, left, right = align_supports(p, q)
    rng = torch.Generator().manual_seed(mix_seed("points", seed))
    real, fake = (
        points[masses.multinomial(POINTS, replacement=True, generator=rng)].float()[:, None]
        for masses in (left, right)
    )
    estimates = {}
    for name, config in CRITICS.items():
        trainer = new_trainer(config, 1, seed, {"generator": toy2d.FixedGenerator(fake)})
        batches = PointBatches(real, config.train_batch_size, seed)
        for _ in range(steps):
            trainer.update("critic", batches)
        with torch.no_grad():
            values = trainer.networks["critic"].eval()(points.float()[:, None]).double()
        slope = (values.diff() / points.diff()).abs().max()
        distance = ((left - right) * values).sum() / slope.clamp(min=1e-12)
        estimates[name] = CriticEstimate(values - values[0], slope.item(), distance.item())
    return estimates
