"""A network trained for inpainting."""

from torch import Tensor

from genmodels.networks.completer import Completer
from genmodels.pipelines.base import OneStepPipeline


class CompletingPipeline(OneStepPipeline):
    """Fill the hole of an image in one pass; `decode` fills an image that is all hole."""

    def __init__(self, completer: Completer) -> None:
        super().__init__()
        self.register_modules(completer=completer)

    @property
    def latent_shape(self) -> tuple[int]:
        return (self.completer.config.latent_dim,)

    @property
    def sample_shape(self) -> tuple[int, int, int]:
        config = self.completer.config
        return (config.channels, config.side, config.side)

    @property
    def num_classes(self) -> None:
        return None

    def forward(self, latents: Tensor, labels: None) -> Tensor:
        empty = latents.new_zeros(len(latents), *self.sample_shape)
        return self.completer(empty, empty[:, :1], latents)

    def complete(self, samples: Tensor, mask: Tensor, latents: Tensor) -> Tensor:
        """Fill the hole of samples (B, C, S, S) in [-1, 1]. Differentiable.

        Args:
            mask: (B, 1, S, S), 1 keeps a pixel and 0 fills it
            latents: (B, Z); other latents give other completions

        Returns:
            samples (B, C, S, S), equal to the input where the mask is 1
        """
        self.check_shape(samples, self.sample_shape, "samples")
        self.check_shape(mask, (1, *self.sample_shape[1:]), "masks")
        self.check_shape(latents, self.latent_shape, "latents")
        return self.completer(samples, mask, latents)
