"""Presets for photos of 64 and of 128 pixels: Oxford Flowers, or a folder with --train_data_dir."""

from dataclasses import replace

from training.configs.architectures import DCGAN, Completion, ConvolutionalAutoencoder, UNet
from training.configs.config import Config
from training.objectives import OBJECTIVES

DIFFAUGMENT = ("color", "translation", "cutout")  # keeps a critic from memorising a small dataset

# Settings that most presets share. Photos differ in size, so all are resized.
BASE = Config(
    objective=OBJECTIVES["gan"](diffaugment=DIFFAUGMENT),
    architecture=DCGAN(blocks=1),
    dataset_name="nelorth/oxford-flowers",
    resolution=64,
    random_flip=True,
    max_train_steps=100_000,
    mixed_precision="bf16",
    ema_halflife=2000.0,
    output_dir="runs",
)

PHOTOS64: dict[str, Config] = {
    "ae": replace(
        BASE,
        objective=OBJECTIVES["ae"](),
        architecture=ConvolutionalAutoencoder(latent_dim=256, blocks=1, variational=False),
        max_train_steps=50_000,
        learning_rate=5e-4,
        lr_scheduler="cosine",
    ),
    "vae": replace(
        BASE,
        objective=OBJECTIVES["vae"](),
        architecture=ConvolutionalAutoencoder(latent_dim=256, blocks=1),
        max_train_steps=50_000,
        learning_rate=5e-4,
        lr_scheduler="cosine",
        lr_warmup_steps=500,
    ),
    "gan": replace(BASE, lr_scheduler="linear", adam_beta1=0.5),
    "wgan-gp": replace(
        BASE,
        objective=OBJECTIVES["wgan-gp"](critic_updates=2, diffaugment=DIFFAUGMENT),
        lr_scheduler="linear",
        adam_beta1=0.0,
        adam_beta2=0.9,
    ),
    "sngan": replace(
        BASE,
        objective=OBJECTIVES["sngan"](diffaugment=DIFFAUGMENT),
        architecture=DCGAN(blocks=1, spectral_norm=True),
        lr_scheduler="linear",
        adam_beta1=0.5,
    ),
    "r3gan": replace(
        BASE,
        objective=OBJECTIVES["r3gan"](gamma=1.0, diffaugment=DIFFAUGMENT),
        lr_scheduler="linear",
        adam_beta1=0.0,
        adam_beta2=0.99,
    ),
    "diffusion": replace(
        BASE,
        objective=OBJECTIVES["diffusion"](snr_gamma=5.0),
        architecture=UNet(dropout=0.1),
        max_train_steps=200_000,
        learning_rate=1e-4,
        lr_scheduler="constant_with_warmup",
        lr_warmup_steps=1000,
        ema_halflife=7000.0,
    ),
    "inpaint": replace(
        BASE,
        objective=OBJECTIVES["inpaint-gan"](),
        architecture=Completion(),
        adam_beta1=0.0,
        adam_beta2=0.9,
    ),
}

# Smaller batches fit into less memory. The gradient penalty of R3GAN grows with the resolution: its
# authors let gamma fall from 2 to 0.2 at 64 pixels, and from 150 to 15 at 256 pixels (FFHQ).
PHOTOS128 = {
    name: replace(preset, resolution=128, train_batch_size=32) for name, preset in PHOTOS64.items()
}
PHOTOS128["r3gan"] = replace(
    PHOTOS128["r3gan"], objective=OBJECTIVES["r3gan"](gamma=10.0, diffaugment=DIFFAUGMENT)
)

PRESETS: dict[str, Config] = {f"{name}-photos64": preset for name, preset in PHOTOS64.items()}
PRESETS |= {f"{name}-photos128": preset for name, preset in PHOTOS128.items()}
