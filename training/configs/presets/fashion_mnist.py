"""Presets for Fashion-MNIST."""

from dataclasses import replace

from training.configs.architectures import (
    DCGAN,
    Completion,
    ConvolutionalAutoencoder,
    ConvolutionalClassifier,
    UNet,
)
from training.configs.config import Config
from training.objectives import OBJECTIVES

# Settings that most presets share.
BASE = Config(
    objective=OBJECTIVES["gan"](),
    architecture=DCGAN(blocks=1),
    mixed_precision="bf16",
    ema_halflife=1000.0,
    save_precision="fp16",
    output_dir="runs",
)

PRESETS: dict[str, Config] = {
    "ae-fashion": replace(
        BASE,
        objective=OBJECTIVES["ae"](),
        architecture=ConvolutionalAutoencoder(blocks=1, variational=False),
        train_batch_size=128,
        max_train_steps=13_000,
        learning_rate=1e-3,
        lr_scheduler="cosine",
    ),
    "vae-fashion": replace(
        BASE,
        objective=OBJECTIVES["vae"](likelihood="bernoulli"),
        architecture=ConvolutionalAutoencoder(width=96, blocks=1),
        train_batch_size=128,
        max_train_steps=15_000,
        learning_rate=1e-3,
        lr_scheduler="cosine",
    ),
    "gan-saturating-fashion": replace(
        BASE,
        objective=OBJECTIVES["gan-saturating"](),
        architecture=DCGAN(),
        max_train_steps=10_000,
        adam_beta1=0.5,
        ema_halflife=500.0,
        save_precision="fp32",
    ),
    "gan-fashion": replace(BASE, max_train_steps=18_000, lr_scheduler="linear", adam_beta1=0.5),
    "wgan-fashion": replace(
        BASE,
        objective=OBJECTIVES["wgan"](critic_updates=3),
        train_batch_size=128,
        max_train_steps=26_000,
        optimizer="rmsprop",
        learning_rate=2e-4,
        lr_scheduler="linear",
    ),
    "wgan-gp-fashion": replace(
        BASE,
        objective=OBJECTIVES["wgan-gp"](critic_updates=2),
        max_train_steps=8000,
        learning_rate=4e-4,
        lr_scheduler="linear",
        adam_beta1=0.0,
        adam_beta2=0.9,
    ),
    "sngan-fashion": replace(
        BASE,
        objective=OBJECTIVES["sngan"](),
        architecture=DCGAN(blocks=1, spectral_norm=True),
        max_train_steps=20_000,
        lr_scheduler="linear",
        adam_beta1=0.5,
    ),
    "r3gan-fashion": replace(
        BASE,
        objective=OBJECTIVES["r3gan"](gamma=0.1),
        train_batch_size=256,
        max_train_steps=7000,
        learning_rate=4e-4,
        lr_scheduler="linear",
        adam_beta1=0.0,
        adam_beta2=0.99,
    ),
    "diffusion-fashion": replace(
        BASE,
        objective=OBJECTIVES["diffusion"](snr_gamma=5.0),
        architecture=UNet(width=48, layers_per_block=1, attention=8),
        train_batch_size=128,
        max_train_steps=3500,
        learning_rate=1e-3,
        lr_scheduler="cosine",
        lr_warmup_steps=500,
        channels_last=False,
    ),
    "inpaint-fashion": replace(
        BASE,
        objective=OBJECTIVES["inpaint-gan"](),
        architecture=Completion(),
        max_train_steps=8000,
        adam_beta1=0.0,
        adam_beta2=0.9,
        ema_halflife=500.0,
    ),
    "classifier-fashion": replace(
        BASE,
        objective=OBJECTIVES["classifier"](),
        architecture=ConvolutionalClassifier(),
        conditional=True,
        random_flip=True,
        train_batch_size=128,
        max_train_steps=8000,
        learning_rate=2e-3,
        lr_scheduler="cosine",
        lr_warmup_steps=200,
        eval_every=2000,
        ema_halflife=500.0,
        save_precision="fp32",
    ),
}

# Class-conditional variants, with the fields that differ.
CONDITIONAL = {
    "vae-fashion": {"architecture": ConvolutionalAutoencoder(blocks=1), "max_train_steps": 20_000},
    "sngan-fashion": {},
    "r3gan-fashion": {"train_batch_size": 64, "max_train_steps": 5500},
    "diffusion-fashion": {},
}
PRESETS |= {
    f"{name}-conditional": replace(PRESETS[name], conditional=True, **changes)
    for name, changes in CONDITIONAL.items()
}
