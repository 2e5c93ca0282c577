"""What the convolutional networks are made of.

B batch, C channels, S side, Z latent, W width, K classes.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from genmodels.errors import UserError


def pyramid(side: int) -> tuple[int, int]:
    """Side of an image -> the coarsest side, and how many halvings lead to it: 28 -> (7, 2).

    Raises UserError for a side that does not halve to 8 or less, or too often.
    """
    base, halvings = side, 0
    while base % 2 == 0 and base > 4:
        base, halvings = base // 2, halvings + 1
    if halvings not in range(2, 8) or base > 8:
        raise UserError(
            f"expected images with a side of 28, 32, 48, 64 or the like, up to 512, that halves to "
            f"8 or less, but got {side}"
        )
    return base, halvings


class ConditionalBatchNorm2d(nn.Module):
    """Batch normalisation with a scale and a shift for each class.

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
        """(B, C, S, S) and the class of each, (B,) -> (B, C, S, S)."""
        scale, shift = (table(labels)[:, :, None, None] for table in (self.scale, self.shift))
        return torch.addcmul(shift, scale, self.norm(inputs))


class Layers(nn.Sequential):
    """Layers one after another, of which those that are conditional are told the labels."""

    def forward(self, inputs: Tensor, labels: Tensor | None = None) -> Tensor:
        for layer in self:
            told = isinstance(layer, ConditionalBatchNorm2d | Residual)
            inputs = layer(inputs, labels) if told else layer(inputs)
        return inputs


class Residual(nn.Module):
    """(B, W, S, S) -> the same shape: two 3x3 convolutions, each activated before, and a bypass.

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
    """Batch normalisation, conditional where there are classes."""
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
) -> Layers:
    """Latents (B, Z) -> (B, C, S, S) in (-1, 1), by transposed convolutions and batch norm.

    The layer nearest the image has W channels, and each coarser one twice as many; each is followed
    by so many residual blocks.
    """
    base, doublings = pyramid(side)
    wide = width * 2 ** (doublings - 1)
    norm = partial(batch_norm, num_classes=num_classes)

    def finish(wide: int) -> list[nn.Module]:
        return [*(Residual(wide, norm, nn.ReLU) for _ in range(blocks)), norm(wide), nn.ReLU()]

    layers: list[nn.Module] = [
        nn.Linear(latent_dim, wide * base * base, bias=False),
        nn.Unflatten(1, (wide, base, base)),
        *finish(wide),
    ]
    for _ in range(doublings - 1):
        layers += [nn.ConvTranspose2d(wide, wide // 2, 4, 2, 1, bias=False), *finish(wide // 2)]
        wide //= 2
    return Layers(*layers, nn.ConvTranspose2d(wide, channels, 4, 2, 1), nn.Tanh())


def downward(
    channels: int, side: int, width: int, normalise: bool, blocks: int = 0
) -> tuple[nn.Sequential, int]:
    """Layers (B, C, S, S) -> (B, D) of strided convolutions, and D; batch normalised or not.

    The mirror of `upward`: the layer nearest the image has W channels.
    """
    base, halvings = pyramid(side)
    norm = nn.BatchNorm2d if normalise else nn.Identity
    activation = partial(nn.LeakyReLU, 0.2)

    def residuals(width: int) -> list[nn.Module]:
        return [Residual(width, norm, activation) for _ in range(blocks)]

    layers: list[nn.Module] = [nn.Conv2d(channels, width, 4, 2, 1), *residuals(width), activation()]
    for _ in range(halvings - 1):
        layers += [
            nn.Conv2d(width, width * 2, 4, 2, 1, bias=not normalise),
            *residuals(width * 2),
            norm(width * 2),
            activation(),
        ]
        width *= 2
    return nn.Sequential(*layers, nn.Flatten()), width * base * base


def unit_activations(layers: nn.Sequential, inputs: Tensor) -> list[Tensor]:
    """What each rectified layer gives, (B, W, S, S), with channels of unit length.

    They are divided by the root of their places too, so that squares summed over these are means.
    """
    found = []
    for layer in layers:
        inputs = layer(inputs)
        if isinstance(layer, nn.ReLU):
            lengths = inputs.square().sum(1, keepdim=True).sqrt() + 1e-10
            found.append(inputs / lengths / inputs[0, 0].numel() ** 0.5)
    return found


class Projection(nn.Module):
    """Features (B, D) -> scores (B,): linear, and where there are classes, each has a direction.

    cGANs with Projection Discriminator (Miyato and Koyama, 2018), equation 3
    https://arxiv.org/abs/1802.05637
    """

    def __init__(self, features: int, num_classes: int | None) -> None:
        super().__init__()
        self.linear = nn.Linear(features, 1)
        self.embedding = None
        if num_classes is not None:
            self.embedding = nn.Embedding(num_classes, features)
            nn.init.xavier_uniform_(self.embedding.weight)  # as small as the linear map's

    def forward(self, features: Tensor, labels: Tensor | None) -> Tensor:
        scores = self.linear(features).squeeze(1)
        if self.embedding is None:
            return scores
        return scores + (self.embedding(labels) * features).sum(1)


def normalise_spectrally(network: nn.Module) -> None:
    """Divide each weight, as a matrix (outputs, the rest), by its largest singular value.

    A linear layer is then 1-Lipschitz, and a convolution is up to a factor of its kernel's side.
    One power iteration a forward pass in training mode.

    Spectral Normalization for Generative Adversarial Networks (Miyato et al., 2018), algorithm 1
    https://arxiv.org/abs/1802.05957
    """
    for part in list(network.modules()):
        if isinstance(part, nn.Conv2d | nn.Linear | nn.Embedding):
            spectral_norm(part)
