"""What is minimised, one class an objective."""

from .adversarial import (
    Hinge,
    NonSaturating,
    Relativistic,
    Saturating,
    WassersteinClipping,
    WassersteinPenalty,
)
from .autoencoding import Autoencoder, VariationalAutoencoder
from .base import Objective
from .classification import Classification
from .diffusion import Diffusion
from .inpainting import Inpainting

OBJECTIVES: dict[str, type[Objective]] = {
    "ae": Autoencoder,
    "vae": VariationalAutoencoder,
    "gan-saturating": Saturating,
    "gan": NonSaturating,
    "wgan": WassersteinClipping,
    "wgan-gp": WassersteinPenalty,
    "sngan": Hinge,
    "r3gan": Relativistic,
    "diffusion": Diffusion,
    "inpaint-gan": Inpainting,
    "classifier": Classification,
}
