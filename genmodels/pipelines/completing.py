"""A network that was trained to complete images."""

from torch import Tensor

from genmodels.networks.completer import Completer

from .base import Labels, LatentPipeline


class CompletingPipeline(LatentPipeline):
    """Completes an image in one pass; to decode a latent is to complete one of which nothing is
    known."""

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

    def decode(self, latents: Tensor, labels: Labels = None) -> Tensor:
        self.expect(latents, self.latent_shape, "latents")
        self.conform(labels, len(latents))
        nothing = latents.new_zeros(len(latents), *self.sample_shape)
        return self.completer(nothing, nothing[:, :1], latents)

    def complete(self, samples: Tensor, known: Tensor, latents: Tensor) -> Tensor:
        """Samples (B, C, S, S) in [-1, 1], of which those pixels are known that are 1 in `known`,
        (B, 1, S, S), and latents (B, Z) -> samples, equal at known pixels. Differentiable."""
        self.expect(samples, self.sample_shape, "samples")
        self.expect(known, (1, *self.sample_shape[1:]), "masks")
        self.expect(latents, self.latent_shape, "latents")
        return self.completer(samples, known, latents)
