"""The objective of the domain classifier, which metrics use as a feature extractor."""

from dataclasses import dataclass

from torch import nn
from torch.nn import functional as F

from genmodels.networks.classifier import Classifier
from training.core.batches import Batch
from training.objectives.base import Losses, Networks, Objective


@dataclass(frozen=True)
class Classification(Objective):
    """The cross entropy of a classifier, a feature extractor for metrics such as FID.

    Going Deeper with Convolutions (Szegedy et al., 2015), the first Inception network
    https://arxiv.org/abs/1409.4842
    """

    def update_order(self, step: int) -> tuple[str]:
        return ("classifier",)

    def losses(
        self, name: str, model: nn.Module, networks: Networks, batch: Batch, step: int
    ) -> Losses:
        return {"cross entropy": F.cross_entropy(model(batch.samples), batch.labels)}

    def pipeline(self, networks: Networks) -> Classifier:
        return networks["classifier"]
