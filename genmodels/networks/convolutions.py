"""The two pyramids of which DCGAN and the convolutional autoencoder are made.

B batch, C channels, S side, Z latent, W width.
"""

from torch import nn


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


def upward(latent_dim: int, width: int, side: int, channels: int) -> nn.Sequential:
    """Latents (B, Z) -> (B, C, S, S) in (-1, 1), by transposed convolutions and batch norm.

    The layer nearest the image has W channels, and each coarser one twice as many.
    """
    base, doublings = pyramid(side)
    wide = width * 2 ** (doublings - 1)
    layers: list[nn.Module] = [
        nn.Linear(latent_dim, wide * base * base, bias=False),
        nn.Unflatten(1, (wide, base, base)),
        nn.BatchNorm2d(wide),
        nn.ReLU(),
    ]
    for _ in range(doublings - 1):
        layers += [
            nn.ConvTranspose2d(wide, wide // 2, 4, 2, 1, bias=False),
            nn.BatchNorm2d(wide // 2),
            nn.ReLU(),
        ]
        wide //= 2
    return nn.Sequential(*layers, nn.ConvTranspose2d(wide, channels, 4, 2, 1), nn.Tanh())


def downward(channels: int, side: int, width: int, outputs: int, normalise: bool) -> nn.Sequential:
    """(B, C, S, S) -> (B, outputs), by strided convolutions, with batch normalisation or without.

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
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(width * base * base, outputs))
