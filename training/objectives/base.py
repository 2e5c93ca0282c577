"""The interface of a training objective."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from genmodels.networks.classifier import Classifier
from genmodels.pipelines.base import LatentPipeline
from training.core.batches import Batch

Networks = Mapping[str, nn.Module]  # by name
Losses = dict[str, Tensor]  # by name


@dataclass(frozen=True)
class Objective(ABC):
    """Losses of one or several networks, each of which minimises its own.

    An objective is formulas and their constants. It holds no network and no state, so one instance
    serves any architecture. Its fields are flags of the command line.
    """

    @abstractmethod
    def update_order(self, step: int) -> Sequence[str]:
        """Return the names of the networks that one step updates, in order.

        Each update uses a new batch. A step ends with one update of the generator, autoencoder or
        U-Net, as papers count steps.
        """

    @abstractmethod
    def losses(
        self, name: str, model: nn.Module, networks: Networks, batch: Batch, step: int
    ) -> Losses:
        """Compute the losses of one network by name; their sum is minimised.

        Args:
            name: name of the network to update
            model: that network, possibly wrapped (DDP, torch.compile): call it exactly once
            networks: all networks by name, unwrapped; only the updated one requires gradients
            batch: samples, labels and random generator of this update
            step: number of completed steps
        """

    def graph_safe(self, step: int) -> bool:
        """Return whether an update can be captured as a CUDA graph from this step on.

        It can if every later update runs the same operations with the same constants and never
        waits for a value from the GPU.
        """
        return True

    def constrain(self, name: str, network: nn.Module) -> None:  # noqa: B027
        """Project a network's weights onto the permitted set after its optimizer step."""

    @abstractmethod
    def pipeline(self, networks: Networks) -> LatentPipeline | Classifier:
        """Wrap the networks as the model that training publishes and users load."""

    def fit(self, pipeline: LatentPipeline, batches: Iterable[Batch]) -> None:  # noqa: B027
        """Fit the parts of the pipeline that have no gradient, such as a prior, to real samples."""
