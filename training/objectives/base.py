"""What the loop asks of an objective."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from genmodels.networks.classifier import Classifier
from genmodels.pipelines.base import LatentPipeline
from training.core.batches import Batch


@dataclass(frozen=True)
class Objective(ABC):
    """A game of one player or several: networks that take turns, each at minimising its own loss.

    An objective is formulas and their constants. It holds no network and no state, so that one
    instance serves any architecture, and its fields are a part of the command line.
    """

    @abstractmethod
    def update_order(self, step: int) -> Sequence[str]:
        """The players of a step in their order, one fresh batch each.

        A step is one of the generator, autoencoder or U-Net, as the papers count.
        """

    @abstractmethod
    def losses(
        self,
        player: str,
        model: nn.Module,
        networks: Mapping[str, nn.Module],
        batch: Batch,
        step: int,
    ) -> dict[str, Tensor]:
        """The loss of the player whose turn it is, as named scalars that are summed.

        model: the player's network, perhaps in a wrapper that synchronises gradients: call it once
        networks: all of them by name, bare; only the player's has parameters that require gradients
        step: how many were made before
        """

    def steady(self, step: int) -> bool:
        """Whether turns are the same from this step on, and wait for nothing of the device.

        They are then captured once and launched as a whole, where a GPU can do that.
        """
        return True

    def constrain(self, player: str, network: nn.Module) -> None:  # noqa: B027
        """Put a player's network back into its permitted set after its step, if it has one."""

    @abstractmethod
    def pipeline(self, networks: Mapping[str, nn.Module]) -> LatentPipeline | Classifier:
        """The networks as what is published: the loop samples and saves what a user loads."""

    def fit(self, pipeline: LatentPipeline, batches: Iterable[Batch]) -> None:  # noqa: B027
        """Fit to real samples what no gradient trains, if the pipeline has such a part."""
