"""Building blocks of networks. B batch, C channels, S side, Z latent, W width, K classes."""

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from genmodels.errors import UserError

PYRAMID_SIDES = "4, 5, 6 or 7 times a power of 2 (28, 32, 48, 64, 96, 128, ...)"


def pyramid(side: int) -> tuple[int, int]:
    """Return the lowest resolution of an image side and the halvings to it: 28 -> (7, 2).

    Raises UserError unless two to seven halvings lead to 8 pixels or less.
    """
    base, halvings = side, 0
    while base % 2 == 0 and base > 4:
        base, halvings = base // 2, halvings + 1
    if halvings not in range(2, 8) or base > 8:
        raise UserError(f"expected an image side of {PYRAMID_SIDES}, got {side}")
    return base, halvings


def channel_widths(width: int, count: int, max_width: int | None) -> list[int]:
    """Return the channels of each resolution, from the highest one.

    They start at `width` and double at each lower resolution up to `max_width`, if any.
    """
    limit = math.inf if max_width is None else max(width, max_width)
    return [min(width * 2**level, limit) for level in range(count)]


class ConditionalBatchNorm2d(nn.Module):
    """Batch normalisation with a learned scale and shift per class.

    Modulating early visual processing by language (de Vries et al., 2017), section 3
    https://arxiv.org/abs/1707.00683
    """

    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.scale = nn.Embedding(num_classes, channels)
        self.shift = nn.Embedding(num_classes, channels)
        nn.init.ones_(self.scale.weight)
        nn.init.zeros_(self.shift.weight)

    def forward(self, inputs: Tensor, labels: Tensor) -> Tensor:
        """Normalise inputs (B, C, S, S) with labels (B,)."""
        scale, shift = (table(labels)[:, :, None, None] for table in (self.scale, self.shift))
        return torch.addcmul(shift, scale, self.norm(inputs))


class Layers(nn.Sequential):
    """Sequential layers that passes labels to its conditional layers."""

    def forward(self, inputs: Tensor, labels: Tensor | None = None) -> Tensor:
        for layer in self:
            conditional = isinstance(layer, ConditionalBatchNorm2d | Residual)
            inputs = layer(inputs, labels) if conditional else layer(inputs)
        return inputs


class Residual(nn.Module):
    """Pre-activation residual block of two 3x3 convolutions, (B, W, S, S) -> (B, W, S, S).

    Identity Mappings in Deep Residual Networks (He et al., 2016), figure 4e
    https://arxiv.org/abs/1603.05027
    """

    def __init__(
        self, width: int, norm: Callable[[int], nn.Module], activation: Callable[[], nn.Module]
    ) -> None:
        super().__init__()
        self.layers = Layers()
        for _ in range(2):
            self.layers.extend([norm(width), activation(), nn.Conv2d(width, width, 3, 1, 1)])

    def forward(self, inputs: Tensor, labels: Tensor | None = None) -> Tensor:
        return inputs + self.layers(inputs, labels)


def batch_norm(channels: int, num_classes: int | None) -> nn.Module:
    """Return a batch normalisation layer, conditional if there are classes."""
    if num_classes is None:
        return nn.BatchNorm2d(channels)
    return ConditionalBatchNorm2d(channels, num_classes)


def upward(
    latent_dim: int,
    width: int,
    side: int,
    channels: int,
    num_classes: int | None = None,
    blocks: int = 0,
    max_width: int | None = None,
) -> Layers:
    """Build a decoder of latents (B, Z) to (B, C, S, S), unbounded: transposed convolutions.

    The highest resolution has W channels, each lower one twice as many, up to `max_width`. `blocks`
    residual blocks follow each layer.
    """
    base, doublings = pyramid(side)
    wide, *narrower = channel_widths(width, doublings, max_width)[::-1]
    norm = partial(batch_norm, num_classes=num_classes)

    def finish(wide: int) -> list[nn.Module]:
        return [*(Residual(wide, norm, nn.ReLU) for _ in range(blocks)), norm(wide), nn.ReLU()]

    linear = nn.Linear(latent_dim, wide * base * base, bias=False)
    layers: list[nn.Module] = [linear, nn.Unflatten(1, (wide, base, base)), *finish(wide)]
    for narrow in narrower:
        layers += [nn.ConvTranspose2d(wide, narrow, 4, 2, 1, bias=False), *finish(narrow)]
        wide = narrow
    return Layers(*layers, nn.ConvTranspose2d(wide, channels, 4, 2, 1))


def downward(
    channels: int,
    side: int,
    width: int,
    normalise: bool,
    blocks: int = 0,
    max_width: int | None = None,
) -> tuple[nn.Sequential, int]:
    """Build the mirror of `upward`, an encoder (B, C, S, S) -> (B, D); return it and D."""
    base, halvings = pyramid(side)
    norm = nn.BatchNorm2d if normalise else nn.Identity
    activation = partial(nn.LeakyReLU, 0.2)

    def residuals(width: int) -> list[nn.Module]:
        return [Residual(width, norm, activation) for _ in range(blocks)]

    layers: list[nn.Module] = [nn.Conv2d(channels, width, 4, 2, 1), *residuals(width), activation()]
    for wide in channel_widths(width, halvings, max_width)[1:]:
        layers.append(nn.Conv2d(width, wide, 4, 2, 1, bias=not normalise))
        layers += [*residuals(wide), norm(wide), activation()]
        width = wide
    return nn.Sequential(*layers, nn.Flatten()), width * base * base


def unit_activations(layers: nn.Sequential, inputs: Tensor) -> list[Tensor]:
    """Return the output (B, W, S, S) of each ReLU with unit-length channel vectors.

    They are also divided by the root of the number of positions, so that sums of squares are means
    over positions.
    """
    activations = []
    for layer in layers:
        inputs = layer(inputs)
        if isinstance(layer, nn.ReLU):
            lengths = inputs.square().sum(1, keepdim=True).sqrt() + 1e-10
            activations.append(inputs / lengths / inputs[0, 0].numel() ** 0.5)
    return activations


class Projection(nn.Module):
    """Features (B, D) -> scores (B,): a linear layer plus, if conditional, a label projection.

    cGANs with Projection Discriminator (Miyato and Koyama, 2018), equation 3
    https://arxiv.org/abs/1802.05637
    """

    def __init__(self, features: int, num_classes: int | None) -> None:
        super().__init__()
        self.linear = nn.Linear(features, 1)
        self.embedding = None
        if num_classes is not None:
            self.embedding = nn.Embedding(num_classes, features)
            nn.init.xavier_uniform_(self.embedding.weight)  # same scale as the linear layer

    def forward(self, features: Tensor, labels: Tensor | None) -> Tensor:
        scores = self.linear(features).squeeze(1)
        if self.embedding is None:
            return scores
        return scores + (self.embedding(labels) * features).sum(1)


def normalise_spectrally(network: nn.Module) -> None:
    """Divide each weight, as a matrix (outputs, rest), by its largest singular value.

    Linear layers become 1-Lipschitz, convolutions up to a factor of the kernel side. Each forward
    pass in training mode makes one power iteration.

    Spectral Normalization for Generative Adversarial Networks (Miyato et al., 2018), algorithm 1
    https://arxiv.org/abs/1802.05957
    """
    for part in list(network.modules()):
        if isinstance(part, nn.Conv2d | nn.Linear | nn.Embedding):
            spectral_norm(part)
