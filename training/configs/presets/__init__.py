"""Presets by name, one per published model; one file per dataset."""

from dataclasses import replace

from training.configs.config import Config
from training.configs.presets import cifar10, fashion_mnist, photos

PRESETS: dict[str, Config] = {
    name: replace(preset, output_dir=f"runs/{name}")
    for name, preset in (fashion_mnist.PRESETS | cifar10.PRESETS | photos.PRESETS).items()
}
