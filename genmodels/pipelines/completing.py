"""A network trained for inpainting."""

from torch import Tensor

from genmodels.networks.completer import Completer
from genmodels.pipelines.base import OneStepPipeline


class CompletingPipeline(OneStepPipeline):
    """Fill the hole of an image in one pass; `decode` fills an image that is all hole."""

    main_component = "completer"

    def __init__(self, completer: Completer) -> None:
        super().__init__()
        self.register_modules(completer=completer)

    def forward(self, latents: Tensor, labels: None) -> Tensor:
        empty = latents.new_zeros(len(latents), *self.sample_shape)
        return self.completer(empty, empty[:, :1], latents)

    def complete(self, samples: Tensor, mask: Tensor, latents: Tensor) -> Tensor:
        """Fill samples (B, C, S, S) in [-1, 1] where the mask (B, 1, S, S) is 0. Differentiable."""
        self.check_shape(samples, self.sample_shape, "samples")
        self.check_shape(mask, (1, *self.sample_shape[1:]), "masks")
        self.check_shape(latents, self.latent_shape, "latents")
        return self.completer(samples, mask, latents)
