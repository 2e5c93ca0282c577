"""Training objectives: the losses of each network, one class per objective."""

from training.objectives import adversarial
from training.objectives.autoencoding import Autoencoder, VariationalAutoencoder
from training.objectives.base import Objective
from training.objectives.classification import Classification
from training.objectives.diffusion import Diffusion
from training.objectives.inpainting import Inpainting

OBJECTIVES: dict[str, type[Objective]] = {
    "ae": Autoencoder,
    "vae": VariationalAutoencoder,
    "gan-saturating": adversarial.Saturating,
    "gan": adversarial.NonSaturating,
    "wgan": adversarial.WassersteinClipping,
    "wgan-gp": adversarial.WassersteinPenalty,
    "sngan": adversarial.Hinge,
    "r3gan": adversarial.Relativistic,
    "diffusion": Diffusion,
    "inpaint-gan": Inpainting,
    "classifier": Classification,
}
