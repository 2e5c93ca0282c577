"""Presets for CIFAR-10."""

from dataclasses import replace

from training.configs.architectures import ConvolutionalClassifier, ResNet, UNet
from training.configs.config import Config
from training.objectives import OBJECTIVES

# Settings that most presets share.
BASE = Config(
    objective=OBJECTIVES["wgan-gp"](),
    architecture=ResNet(),
    dataset_name="uoft-cs/cifar10",
    random_flip=True,
    mixed_precision="bf16",
    max_train_steps=100_000,
    adam_beta1=0.0,
    ema_halflife=2000.0,
    output_dir="runs",
)

PRESETS: dict[str, Config] = {
    "wgan-gp-cifar10": replace(
        BASE, architecture=ResNet(width=128), lr_scheduler="linear", adam_beta2=0.9
    ),
    "sngan-cifar10": replace(
        BASE,
        objective=OBJECTIVES["sngan"](critic_updates=5),
        architecture=ResNet(spectral_norm=True),
        lr_scheduler="linear",
        adam_beta2=0.9,
    ),
    "r3gan-cifar10": replace(
        BASE, objective=OBJECTIVES["r3gan"](gamma=0.05), train_batch_size=256, adam_beta2=0.99
    ),
    "diffusion-cifar10": replace(
        BASE,
        objective=OBJECTIVES["diffusion"](),
        architecture=UNet(attention=8, dropout=0.1),
        train_batch_size=128,
        max_train_steps=400_000,
        lr_scheduler="constant_with_warmup",
        lr_warmup_steps=5000,
        ema_halflife=7000.0,
        adam_beta1=0.9,
    ),
    "classifier-cifar10": replace(
        BASE,
        objective=OBJECTIVES["classifier"](),
        architecture=ConvolutionalClassifier(width=96, max_width=None),
        conditional=True,
        train_batch_size=128,
        max_train_steps=40_000,
        learning_rate=2e-3,
        lr_scheduler="cosine",
        lr_warmup_steps=1000,
        ema_halflife=500.0,
        adam_beta1=0.9,
    ),
}
