"""Presets by name, one per published model; one file per dataset."""

from training.configs.config import Config
from training.configs.presets import cifar10, fashion_mnist

PRESETS: dict[str, Config] = {**fashion_mnist.PRESETS, **cifar10.PRESETS}
