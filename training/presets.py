"""One row per published model."""

from dataclasses import replace

from .config import DCGAN, Config, ConvolutionalAutoencoder, ResNet, UNet
from .objectives import OBJECTIVES

PRESETS: dict[str, Config] = {
    "ae-fashion": Config(
        objective=OBJECTIVES["ae"](),
        architecture=ConvolutionalAutoencoder(variational=False),
        train_batch_size=128,
        max_train_steps=12_000,
        learning_rate=1e-3,
        output_dir="runs/ae-fashion",
    ),
    "vae-fashion": Config(
        objective=OBJECTIVES["vae"](),
        architecture=ConvolutionalAutoencoder(),
        train_batch_size=128,
        max_train_steps=12_000,
        learning_rate=1e-3,
        output_dir="runs/vae-fashion",
    ),
    "gan-saturating-fashion": Config(
        objective=OBJECTIVES["gan-saturating"](),
        architecture=DCGAN(),
        max_train_steps=30_000,
        adam_beta1=0.5,
        mixed_precision="bf16",
        output_dir="runs/gan-saturating-fashion",
    ),
    "gan-fashion": Config(
        objective=OBJECTIVES["gan"](),
        architecture=DCGAN(),
        max_train_steps=30_000,
        adam_beta1=0.5,
        mixed_precision="bf16",
        output_dir="runs/gan-fashion",
    ),
    "wgan-fashion": Config(
        objective=OBJECTIVES["wgan"](),
        architecture=DCGAN(),
        max_train_steps=20_000,
        optimizer="rmsprop",
        learning_rate=5e-5,
        mixed_precision="bf16",
        output_dir="runs/wgan-fashion",
    ),
    "wgan-gp-fashion": Config(
        objective=OBJECTIVES["wgan-gp"](critic_turns=3),
        architecture=DCGAN(),
        max_train_steps=14_000,
        adam_beta1=0.0,
        adam_beta2=0.9,
        output_dir="runs/wgan-gp-fashion",
    ),
    "sngan-fashion": Config(
        objective=OBJECTIVES["sngan"](),
        architecture=DCGAN(spectral_norm=True),
        max_train_steps=30_000,
        adam_beta1=0.5,
        mixed_precision="bf16",
        output_dir="runs/sngan-fashion",
    ),
    "r3gan-fashion": Config(
        objective=OBJECTIVES["r3gan"](gamma=1.0),
        architecture=DCGAN(),
        max_train_steps=15_000,
        adam_beta1=0.0,
        adam_beta2=0.99,
        mixed_precision="bf16",
        output_dir="runs/r3gan-fashion",
    ),
    "diffusion-fashion": Config(
        objective=OBJECTIVES["diffusion"](snr_gamma=5.0),
        architecture=UNet(width=32, layers_per_block=1),
        max_train_steps=5000,
        learning_rate=1e-3,
        lr_scheduler="cosine",
        lr_warmup_steps=200,
        mixed_precision="bf16",
        channels_last=False,
        output_dir="runs/diffusion-fashion",
    ),
    "wgan-gp-cifar10": Config(
        objective=OBJECTIVES["wgan-gp"](),
        architecture=ResNet(width=128),
        dataset_name="uoft-cs/cifar10",
        random_flip=True,
        mixed_precision="bf16",
        max_train_steps=100_000,
        lr_scheduler="linear",
        adam_beta1=0.0,
        adam_beta2=0.9,
        halflife=2000.0,
        output_dir="runs/wgan-gp-cifar10",
    ),
    "sngan-cifar10": Config(
        objective=OBJECTIVES["sngan"](critic_turns=5),
        architecture=ResNet(spectral_norm=True),
        dataset_name="uoft-cs/cifar10",
        random_flip=True,
        mixed_precision="bf16",
        max_train_steps=100_000,
        lr_scheduler="linear",
        adam_beta1=0.0,
        adam_beta2=0.9,
        halflife=2000.0,
        output_dir="runs/sngan-cifar10",
    ),
    "r3gan-cifar10": Config(
        objective=OBJECTIVES["r3gan"](gamma=0.05),
        architecture=ResNet(),
        dataset_name="uoft-cs/cifar10",
        random_flip=True,
        mixed_precision="bf16",
        train_batch_size=256,
        max_train_steps=100_000,
        adam_beta1=0.0,
        adam_beta2=0.99,
        halflife=2000.0,
        output_dir="runs/r3gan-cifar10",
    ),
    "diffusion-cifar10": Config(
        objective=OBJECTIVES["diffusion"](),
        architecture=UNet(dropout=0.1),
        dataset_name="uoft-cs/cifar10",
        random_flip=True,
        mixed_precision="bf16",
        train_batch_size=128,
        max_train_steps=400_000,
        lr_scheduler="constant_with_warmup",
        lr_warmup_steps=5000,
        halflife=7000.0,
        output_dir="runs/diffusion-cifar10",
    ),
}

# The same of a class that is asked for.
PRESETS |= {
    f"{name}-conditional": replace(
        PRESETS[name], conditional=True, output_dir=f"runs/{name}-conditional"
    )
    for name in ("vae-fashion", "sngan-fashion", "r3gan-fashion", "diffusion-fashion")
}
