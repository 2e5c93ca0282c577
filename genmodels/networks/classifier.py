"""A small convolutional classifier, the feature extractor of domain-specific metrics."""

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn

from genmodels.networks.convolutions import channel_widths, pyramid, unit_activations


class Classifier(ModelMixin, ConfigMixin):
    """Samples (B, C, S, S) in [-1, 1] -> logits (B, K).

    Two 3x3 convolutions with batch normalisation per resolution, then pooling: Very Deep
    Convolutional Networks for Large-Scale Image Recognition (Simonyan and Zisserman, 2015, table 1,
    column B). https://arxiv.org/abs/1409.1556
    """

    @register_to_config
    def __init__(
        self,
        num_classes: int = 10,
        width: int = 32,
        side: int = 28,
        channels: int = 1,
        max_width: int | None = None,
    ) -> None:
        super().__init__()
        _, halvings = pyramid(side)
        layers: list[nn.Module] = []
        for wide in channel_widths(width, halvings + 1, max_width):
            for inputs in (channels, wide):
                convolution = nn.Conv2d(inputs, wide, 3, 1, 1, bias=False)
                layers += [convolution, nn.BatchNorm2d(wide), nn.ReLU()]
            layers.append(nn.MaxPool2d(2))
            channels = wide
        layers[-1] = nn.AdaptiveAvgPool2d(1)  # instead of the last downsampling
        self.layers = nn.Sequential(*layers, nn.Flatten())
        self.head = nn.Linear(wide, num_classes)

    def features(self, samples: Tensor) -> Tensor:
        """Return features (B, D), the input of the linear head."""
        return self.layers(samples)

    def embed(self, samples: Tensor) -> Tensor:
        """Return embeddings (B, D) whose squared Euclidean distance is a perceptual distance.

        The Unreasonable Effectiveness of Deep Features as a Perceptual Metric (Zhang et al., 2018),
        equation 1, with this network and equal channel weights.
        https://arxiv.org/abs/1801.03924
        """
        activations = unit_activations(self.layers, samples)
        return torch.cat([layer.flatten(1) for layer in activations], 1)

    def forward(self, samples: Tensor) -> Tensor:
        return self.head(self.features(samples))
