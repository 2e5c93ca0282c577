"""What the convolutional networks are made of.

B batch, C channels, S side, Z latent, W width, K classes.
"""

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm


def pyramid(side: int) -> tuple[int, int]:
    """Side of an image -> the coarsest side, and how many halvings lead to it: 28 -> (7, 2).

    Raises ValueError for a side that does not halve to 8 or less, or too often.
    """
    base, halvings = side, 0
    while base % 2 == 0 and base > 4:
        base, halvings = base // 2, halvings + 1
    if halvings not in range(2, 8) or base > 8:
        raise ValueError(
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
            conditional = isinstance(layer, ConditionalBatchNorm2d)
            inputs = layer(inputs, labels) if conditional else layer(inputs)
        return inputs


def batch_norm(channels: int, num_classes: int | None) -> nn.Module:
    """Batch normalisation, conditional where there are classes."""
    if num_classes is None:
        return nn.BatchNorm2d(channels)
    return ConditionalBatchNorm2d(channels, num_classes)


def upward(
    latent_dim: int, width: int, side: int, channels: int, num_classes: int | None = None
) -> Layers:
    """Latents (B, Z) -> (B, C, S, S) in (-1, 1), by transposed convolutions and batch norm.

    The layer nearest the image has W channels, and each coarser one twice as many.
    """
    base, doublings = pyramid(side)
    wide = width * 2 ** (doublings - 1)
    layers: list[nn.Module] = [
        nn.Linear(latent_dim, wide * base * base, bias=False),
        nn.Unflatten(1, (wide, base, base)),
        batch_norm(wide, num_classes),
        nn.ReLU(),
    ]
    for _ in range(doublings - 1):
        layers += [
            nn.ConvTranspose2d(wide, wide // 2, 4, 2, 1, bias=False),
            batch_norm(wide // 2, num_classes),
            nn.ReLU(),
        ]
        wide //= 2
    return Layers(*layers, nn.ConvTranspose2d(wide, channels, 4, 2, 1), nn.Tanh())


def downward(channels: int, side: int, width: int, normalise: bool) -> tuple[nn.Sequential, int]:
    """Layers (B, C, S, S) -> (B, D) of strided convolutions, and D; batch normalised or not.

    The mirror of `upward`: the layer nearest the image has W channels.
    """
    base, halvings = pyramid(side)
    layers: list[nn.Module] = [nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(0.2)]
    for _ in range(halvings - 1):
        layers += [
            nn.Conv2d(width, width * 2, 4, 2, 1, bias=not normalise),
            nn.BatchNorm2d(width * 2) if normalise else nn.Identity(),
            nn.LeakyReLU(0.2),
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
