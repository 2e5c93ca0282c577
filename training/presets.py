"""One row per published model."""

from .config import DCGAN, Config, ConvolutionalAutoencoder
from .objectives import OBJECTIVES

PRESETS: dict[str, Config] = {
    "vae-fashion": Config(
        objective=OBJECTIVES["vae"](),
        architecture=ConvolutionalAutoencoder(),
        train_batch_size=128,
        max_train_steps=12_000,
        learning_rate=1e-3,
        output_dir="runs/vae-fashion",
    ),
    "wgan-gp-fashion": Config(
        objective=OBJECTIVES["wgan-gp"](critic_turns=3),
        architecture=DCGAN(),
        train_batch_size=64,
        max_train_steps=14_000,
        learning_rate=2e-4,
        adam_beta1=0.0,
        adam_beta2=0.9,
        output_dir="runs/wgan-gp-fashion",
    ),
}
