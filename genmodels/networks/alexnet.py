"""LPIPS with AlexNet features, a perceptual distance of images.

The Unreasonable Effectiveness of Deep Features as a Perceptual Metric (Zhang et al., 2018),
equation 1, https://arxiv.org/abs/1801.03924, version 0.1. The network: One Weird Trick for
Parallelizing Convolutional Neural Networks (Krizhevsky, 2014), https://arxiv.org/abs/1404.5997
B batch, S side, D dimensions of an embedding.
"""

import torch
from torch import Tensor, nn

from genmodels.networks.convolutions import unit_activations

# Mean and standard deviation of ImageNet, converted to samples in [-1, 1].
SHIFT = torch.tensor([-0.030, -0.088, -0.188]).view(3, 1, 1)
SCALE = torch.tensor([0.458, 0.448, 0.450]).view(3, 1, 1)


class Lpips(nn.Module):
    """Samples (B, 3, S, S) in [-1, 1], S >= 32 -> embeddings (B, D); squared distance is LPIPS."""

    WIDTHS = (64, 192, 384, 256, 256)

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, 11, 4, 2),
            nn.ReLU(),
            nn.MaxPool2d(3, 2),
            nn.Conv2d(64, 192, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(3, 2),
            nn.Conv2d(192, 384, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(384, 256, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(256, 256, 3, padding=1),
            nn.ReLU(),
        )
        for index, width in enumerate(self.WIDTHS):
            # The published weights name the layer "model.1", because "model.0" is a dropout.
            layer = nn.ModuleDict({"1": nn.Conv2d(width, 1, 1, bias=False)})
            self.add_module(f"lin{index}", nn.ModuleDict({"model": layer}))

    def forward(self, samples: Tensor) -> Tensor:
        hidden = (samples - SHIFT.to(samples)) / SCALE.to(samples)
        parts = []
        for index, activations in enumerate(unit_activations(self.features, hidden)):
            weights = self.get_submodule(f"lin{index}.model.1").weight  # non-negative
            parts.append((activations * weights.view(-1, 1, 1).sqrt()).flatten(1))
        return torch.cat(parts, 1)
