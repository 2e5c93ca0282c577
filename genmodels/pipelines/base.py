"""What every published model can do: decode a Gaussian latent into samples."""

from abc import abstractmethod

import torch
from diffusers.pipelines.pipeline_utils import DiffusionPipeline, ImagePipelineOutput
from diffusers.utils.torch_utils import randn_tensor
from PIL import Image
from torch import Tensor

from genmodels import images


class LatentPipeline(DiffusionPipeline):
    """A generative model as a map from a standard normal latent to a sample.

    B batch, C channels, S side; the shape of a latent is the model's own.
    """

    @property
    @abstractmethod
    def latent_shape(self) -> tuple[int, ...]:
        """Shape of the latent of one sample."""

    @abstractmethod
    def decode(self, latents: Tensor) -> Tensor:
        """Latents (B, *latent_shape) -> samples (B, C, S, S) in [-1, 1]. Differentiable."""

    def draw(self, count: int, rng: torch.Generator | None = None) -> Tensor:
        """Standard normal latents (count, *latent_shape) on the pipeline's device.

        They are drawn on the device of `rng`, so that a CPU generator gives the same everywhere.
        Raises ValueError unless `count` is a whole number of at least 1.
        """
        if not isinstance(count, int) or count < 1:
            raise ValueError(f"expected a count of at least 1, but got {count!r}")
        shape = (count, *self.latent_shape)
        return randn_tensor(shape, generator=rng, device=self.device, dtype=self.dtype)

    @torch.no_grad()
    def __call__(
        self,
        batch_size: int = 1,
        generator: torch.Generator | None = None,
        output_type: str = "pil",
        return_dict: bool = True,
    ) -> ImagePipelineOutput | tuple[list[Image.Image] | Tensor]:
        """Draw `batch_size` samples.

        generator: source of randomness; the same state gives the same images, bit for bit
        output_type: "pil" for images in mode L or RGB, "pt" for a tensor (B, C, S, S) in [-1, 1]
        return_dict: an object with the field `images`, or a tuple of one
        Raises ValueError for a batch size below 1 or another output type.
        """
        if output_type not in ("pil", "pt"):
            raise ValueError(f"expected the output type 'pil' or 'pt', but got {output_type!r}")
        samples = self.decode(self.draw(batch_size, generator))
        drawn = images.to_pil(samples) if output_type == "pil" else samples
        return ImagePipelineOutput(images=drawn) if return_dict else (drawn,)
