"""Training objectives: the losses of each network, one class per objective."""

from training.objectives.adversarial import (
    Hinge,
    NonSaturating,
    Relativistic,
    Saturating,
    WassersteinClipping,
    WassersteinPenalty,
)
from training.objectives.autoencoding import Autoencoder, VariationalAutoencoder
from training.objectives.base import Objective
from training.objectives.classification import Classification
from training.objectives.diffusion import Diffusion
from training.objectives.inpainting import Inpainting

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
