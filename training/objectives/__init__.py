"""What is minimised, one class an objective."""

from .adversarial import WassersteinPenalty
from .autoencoding import VariationalAutoencoder
from .base import Objective

OBJECTIVES: dict[str, type[Objective]] = {
    "vae": VariationalAutoencoder,
    "wgan-gp": WassersteinPenalty,
}
