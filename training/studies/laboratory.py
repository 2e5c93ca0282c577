"""The laboratory: any objective on points of the plane, and critics on the line, while one looks.

What is played is `training.core.trainer`, with the objectives by which images are learnt.

N points, G side of the critic's surface, A arrows.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import NamedTuple

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from genmodels.distances.divergences import Discrete, common, jensen_shannon, transport
from genmodels.errors import UserError
from genmodels.pipelines.base import LatentPipeline
from training.configs.config import Config
from training.core.batches import mix_seed
from training.core.trainer import Trainer
from training.objectives import OBJECTIVES
from training.objectives.adversarial import Wasserstein
from training.studies.toy2d import DATA, Adversaries, Coder, Data, Diffuser, Draws, Quantiles, drawn

STEPS = 2000  # of a whole run
MOST = 5000  # steps of a run at the most
SIDE = 1.0  # half the side of the plane that is looked at
SHOWN = 512  # samples of a frame
COUNTED = 2048  # samples of JS and of the places that are covered
CELLS = 24  # of a side of the histograms of JS
SURFACE = 41  # places of a side of the critic's surface
ARROWS = 15  # of a side of the field


class Field(NamedTuple):
    """What a model says of places of the plane."""

    scores: Tensor | None  # (G, G) of the critic, row by row from below; None where there is none
    places: Tensor  # (A, 2)
    arrows: Tensor  # (A, 2), to where it would move what is there


Networks = Mapping[str, nn.Module]


def slopes(pipeline: LatentPipeline, networks: Networks) -> Field:
    """The critic's surface, and its gradient, which the generator's samples follow."""
    score = networks["critic"]
    with torch.no_grad():
        scores = score(lattice(SURFACE)[:, :, None, None]).view(SURFACE, SURFACE)
    places = lattice(ARROWS).requires_grad_()
    (arrows,) = torch.autograd.grad(score(places[:, :, None, None]).sum(), places)
    return Field(scores, places.detach(), arrows)


@torch.no_grad()
def reconstructions(pipeline: LatentPipeline, networks: Networks) -> Field:
    """Where an autoencoder puts what it is given."""
    places = lattice(ARROWS)
    found = pipeline.decode(pipeline.encode(places[:, :, None, None])).flatten(1)
    return Field(None, places, found - places)


@torch.no_grad()
def denoisings(pipeline: LatentPipeline, networks: Networks) -> Field:
    """Where the denoiser takes a point to come from, once a fourth of the noise is in it."""
    places = lattice(ARROWS)
    found = pipeline.predict_clean(places[:, :, None, None], 250, None).flatten(1)
    return Field(None, places, found - places)


def lattice(side: int) -> Tensor:
    """Places (side², 2) of the plane, row by row from below."""
    line = torch.linspace(-SIDE, SIDE, side)
    return torch.cartesian_prod(line, line).flip(1)


class Setting(NamedTuple):
    """How an objective is played here, and what is seen of it."""

    config: Config
    field: Callable[[LatentPipeline, Networks], Field] = slopes
    sampling: Mapping[str, int] = MappingProxyType({})  # arguments of `decode`


ADVERSARIAL = Config(
    objective=OBJECTIVES["gan"](),
    architecture=Adversaries(),
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
ALONE = replace(ADVERSARIAL, learning_rate=2e-3, adam_beta1=0.9, adam_beta2=0.99)

# As few turns of the critic as do, so that a run takes seconds.
GAMES: dict[str, Setting] = {
    "gan-saturating": Setting(replace(ADVERSARIAL, objective=OBJECTIVES["gan-saturating"]())),
    "gan": Setting(ADVERSARIAL),
    "wgan": Setting(
        replace(
            ADVERSARIAL,
            objective=OBJECTIVES["wgan"](critic_updates=3, clip_value=0.1),
            optimizer="rmsprop",
            learning_rate=5e-4,
        )
    ),
    "wgan-gp": Setting(
        replace(ADVERSARIAL, objective=OBJECTIVES["wgan-gp"](critic_updates=2, penalty_weight=1.0))
    ),
    "sngan": Setting(
        replace(
            ADVERSARIAL,
            objective=OBJECTIVES["sngan"](critic_updates=2),
            architecture=Adversaries(spectral_norm=True),
        )
    ),
    "r3gan": Setting(replace(ADVERSARIAL, objective=OBJECTIVES["r3gan"](gamma=0.1))),
    "vae": Setting(
        replace(ALONE, objective=OBJECTIVES["vae"](beta=0.003), architecture=Coder()),
        reconstructions,
    ),
    "diffusion": Setting(
        replace(
            ALONE,
            objective=OBJECTIVES["diffusion"](),
            architecture=Diffuser(),
            train_batch_size=256,
            ema_halflife=100.0,
        ),
        denoisings,
        {"num_inference_steps": 10},  # enough for two dimensions
    ),
}


class Frame(NamedTuple):
    """A game after some of its steps."""

    step: int
    losses: dict[str, float]  # by player and term
    samples: Tensor  # (N, 2), of the averages
    field: Field
    js: float  # nats, of histograms
    w1: float  # of N samples against N points, exactly
    covered: int  # places of the data that have samples
    near: float  # part of the samples that is at a place
    seconds: float  # since the start


class Course(NamedTuple):
    """A game that is about to be played."""

    data: Data
    shown: Tensor  # (N, 2) points of the data
    js: float  # of other points of the data: no model is to be expected to beat it
    w1: float
    frames: Iterator[Frame]  # whoever asks for no more of them ends the game


def run(
    data: str | Tensor, objective: str, steps: int = STEPS, seed: int = 0, frames: int = 40
) -> Course:
    """Play a row of GAMES on a row of DATA, or on points (N, 2) in [-1, 1] that a user drew.

    frames: so many, beside the one before any step
    The same arguments give the same frames, bit for bit, but for their seconds. A frame raises
    FloatingPointError where the game has run out of numbers.
    Raises UserError for another game or data, and for a count of steps or a seed that is none.
    """
    if objective not in GAMES:
        raise UserError(f"expected {', '.join(GAMES)}, but got {objective!r}")
    if not isinstance(data, Tensor) and data not in DATA:
        raise UserError(f"expected {', '.join(DATA)} or points, but got {data!r}")
    if not 1 <= steps <= MOST:
        raise UserError(f"expected 1 to {MOST} steps, but got {steps}")
    if seed < 0:
        raise UserError(f"expected a seed of at least 0, but got {seed}")
    rng = torch.Generator().manual_seed(mix_seed(seed))
    count = 20_000
    real = drawn(data, count, rng) if isinstance(data, Tensor) else DATA[data](count, rng)
    shown, others = real.points[:SHOWN], real.points[SHOWN : 2 * SHOWN]
    due = sorted({round(steps * frame / frames) for frame in range(frames + 1)})
    return Course(
        real,
        shown,
        jensen_shannon(cells(real.points[:COUNTED]), cells(real.points[COUNTED:])).item(),
        transport(others, shown).cost.item(),
        play(GAMES[objective], real, due, seed),
    )


def play(setting: Setting, real: Data, due: list[int], seed: int) -> Iterator[Frame]:
    """The frames at the steps that are due."""
    start = time.perf_counter()
    game = begin(setting.config, 2, seed)
    networks = game.ema.networks
    pipeline = setting.config.objective.pipeline(networks)
    rng = torch.Generator().manual_seed(mix_seed(seed, 1))
    latents = torch.randn(COUNTED, *pipeline.latent_shape, generator=rng)
    batches = Draws(real.points, setting.config.train_batch_size, seed)
    histogram = cells(real.points[COUNTED:])
    losses: dict[str, float] = {}
    for step in due:
        while game.progress.step < step:
            played = game.train_step(batches)
            losses = {
                f"{player}/{term}": value
                for player, terms in played
                for term, value in terms.items()
            }
        with torch.no_grad():
            samples = pipeline.decode(latents, **setting.sampling).flatten(1)
        if not samples.isfinite().all():
            raise FloatingPointError(f"at step {step} a weight is not finite")
        yield Frame(
            step,
            {name: float(value) for name, value in losses.items()},
            samples[:SHOWN],
            setting.field(pipeline, networks),
            jensen_shannon(cells(samples), histogram).item(),
            transport(samples[:SHOWN], real.points[:SHOWN]).cost.item(),
            *real.covered(samples),
            time.perf_counter() - start,
        )


BEGINNING = threading.Lock()  # of networks, before which each game seeds torch


def begin(config: Config, channels: int, seed: int, **instead: nn.Module) -> Trainer:
    """A game at its start.

    instead: networks by name, in place of the config's
    """
    with BEGINNING:
        torch.manual_seed(mix_seed(seed, 2))
        networks = config.architecture.networks(channels, 1)
    return Trainer(config, networks | instead, Accelerator(cpu=True))


def cells(points: Tensor) -> Discrete:
    """Points (N, 2) -> their histogram, in which what lies outside counts to the outermost."""
    places = ((points / SIDE + 1) / 2 * CELLS).floor().clamp(0, CELLS - 1).long()
    counts = torch.bincount(places[:, 1] * CELLS + places[:, 0], minlength=CELLS**2).double()
    return Discrete(torch.arange(CELLS**2), counts / counts.sum())


class Estimate(NamedTuple):
    """What a critic says of the distance of two distributions on the line."""

    values: Tensor  # (N,) f at the points of both, first 0
    steepest: float  # slope of f between two points
    distance: float  # E_p f − E_q f, divided by it: never more than W₁


# Narrow critics, as of their kinds, with the same loss. That of `sngan` is no distance.
CRITICS: dict[str, Config] = {
    "clipping": replace(GAMES["wgan"].config, learning_rate=1e-3),
    "penalty": replace(ADVERSARIAL, objective=OBJECTIVES["wgan-gp"](penalty_weight=10.0)),
    "spectral norm": replace(
        ADVERSARIAL, objective=Wasserstein(), architecture=Adversaries(spectral_norm=True)
    ),
}


def critics(p: Discrete, q: Discrete, steps: int = 300, seed: int = 0) -> dict[str, Estimate]:
    """A critic of each kind, trained to tell p from q, beside `divergences.potential`.

    Divided by its steepest slope each is 1-Lipschitz, and so a lower bound of W₁.
    """
    points, left, right = common(p, q)
    rng = torch.Generator().manual_seed(mix_seed(seed))
    real, fake = (
        points[side.multinomial(20_000, replacement=True, generator=rng)].float()[:, None]
        for side in (left, right)
    )
    found = {}
    for name, config in CRITICS.items():
        game = begin(config, 1, seed, generator=Quantiles(fake))
        batches = Draws(real, config.train_batch_size, seed)
        for _ in range(steps):
            game.update("critic", batches)
        with torch.no_grad():
            values = game.networks["critic"].eval()(points.float()[:, None]).double()
        steepest = (values.diff() / points.diff()).abs().max()
        distance = ((left - right) * values).sum() / steepest.clamp(min=1e-12)
        found[name] = Estimate(values - values[0], steepest.item(), distance.item())
    return found
