"""The objective of the domain classifier, which metrics use as a feature extractor."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from genmodels.networks.classifier import Classifier
from training.core.batches import Batch
from training.objectives.base import Objective


@dataclass(frozen=True)
class Classification(Objective):
    """The cross entropy of a classifier, a feature extractor for metrics such as FID.

    Going Deeper with Convolutions (Szegedy et al., 2015), the first Inception network
    https://arxiv.org/abs/1409.4842
    """

    def update_order(self, step: int) -> tuple[str]:
        return ("classifier",)

    def losses(
        self,
        name: str,
        model: nn.Module,
        networks: Mapping[str, nn.Module],
        batch: Batch,
        step: int,
    ) -> dict[str, Tensor]:
        return {"cross entropy": F.cross_entropy(model(batch.samples), batch.labels)}

    def pipeline(self, networks: Mapping[str, nn.Module]) -> Classifier:
        return networks["classifier"]
