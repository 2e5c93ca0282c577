"""A classifier: not a generator, but the network trained for a domain that measures of one need."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from genmodels.networks.classifier import Classifier
from training.core.batches import Batch
from training.objectives.base import Objective


@dataclass(frozen=True)
class Classification(Objective):
    """The cross entropy of the classes: a network whose features and predictions measures need.

    Going Deeper with Convolutions (Szegedy et al., 2015), whose network measures of images in
    general have come to rest on. https://arxiv.org/abs/1409.4842
    """

    def update_order(self, step: int) -> tuple[str]:
        return ("classifier",)

    def losses(
        self,
        player: str,
        model: nn.Module,
        networks: Mapping[str, nn.Module],
        batch: Batch,
        step: int,
    ) -> dict[str, Tensor]:
        return {"cross entropy": F.cross_entropy(model(batch.samples), batch.labels)}

    def pipeline(self, networks: Mapping[str, nn.Module]) -> Classifier:
        return networks["classifier"]
