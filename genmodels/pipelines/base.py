"""What every published model can do: decode a Gaussian latent into samples."""

from abc import abstractmethod
from collections.abc import Sequence

import torch
from diffusers.pipelines.pipeline_utils import DiffusionPipeline, ImagePipelineOutput
from diffusers.utils.torch_utils import randn_tensor
from PIL import Image
from torch import Tensor

from genmodels import images

NORMAL = 4.0  # beyond it lies no number of a normal latent that matters


def truncated(latents: Tensor, bound: float) -> Tensor:
    """Standard normal latents -> those of a normal distribution that ends at +-bound.

    All are moved, and none is drawn anew, so that each stays a function of its seed. Samples are
    then better and less diverse: Large Scale GAN Training for High Fidelity Natural Image Synthesis
    (Brock et al., 2019), section 3.1. https://arxiv.org/abs/1809.11096
    Raises ValueError for a bound that is not above 0; at 4 or more nothing changes.
    """
    if not bound > 0:
        raise ValueError(f"expected a bound above 0, but got {bound}")
    if bound >= NORMAL:
        return latents
    tail = torch.special.ndtr(torch.tensor(-bound, dtype=torch.float64))
    inner = tail + (1 - 2 * tail) * torch.special.ndtr(latents.cpu().double())
    return torch.special.ndtri(inner).to(latents)


Labels = int | Sequence[int] | Tensor | None


class LatentPipeline(DiffusionPipeline):
    """A generative model as a map from a standard normal latent to a sample.

    B batch, C channels, S side, K classes; the shape of a latent is the model's own.
    """

    @property
    @abstractmethod
    def latent_shape(self) -> tuple[int, ...]:
        """Shape of the latent of one sample."""

    @property
    @abstractmethod
    def sample_shape(self) -> tuple[int, int, int]:
        """Shape (C, S, S) of a sample."""

    @property
    @abstractmethod
    def num_classes(self) -> int | None:
        """K of a conditional model, whose samples are of a class each; None of any other."""

    @abstractmethod
    def decode(self, latents: Tensor, labels: Labels = None) -> Tensor:
        """Latents (B, *latent_shape) -> samples (B, C, S, S) in [-1, 1]. Differentiable.

        labels: class from 0 to K - 1 of all samples or of each, which a conditional model needs and
            no other takes
        Raises ValueError for latents of another shape, and for labels that are missing, too many
        or out of range.
        """

    def draw(self, count: int, rng: torch.Generator | None = None) -> Tensor:
        """Standard normal latents (count, *latent_shape) on the pipeline's device.

        They are drawn on the device of `rng`, so that a CPU generator gives the same everywhere.
        Raises ValueError unless `count` is a whole number of at least 1.
        """
        if not isinstance(count, int) or count < 1:
            raise ValueError(f"expected a count of at least 1, but got {count!r}")
        shape = (count, *self.latent_shape)
        return randn_tensor(shape, generator=rng, device=self.device, dtype=self.dtype)

    def in_turn(self, count: int) -> Tensor | None:
        """Labels (count,) of one class after another, where there are classes."""
        if self.num_classes is None:
            return None
        return torch.arange(count, device=self.device) % self.num_classes

    def expect(self, given: Tensor, shape: tuple[int, ...], what: str) -> None:
        """Raise ValueError unless it is a batch of that shape."""
        if given.shape[1:] != shape:
            wanted = ", ".join(map(str, ("B", *shape)))
            raise ValueError(f"expected {what} ({wanted}), but got {tuple(given.shape)}")

    def expect_samples(self, samples: Tensor) -> None:
        """Raise ValueError unless they are such as `decode` gives."""
        self.expect(samples, self.sample_shape, "samples")
        if not (samples.abs() <= 1).all():
            raise ValueError("expected samples in [-1, 1]")

    def conform(self, labels: Labels, count: int) -> Tensor | None:
        """The class of all samples or of each -> (count,) on the pipeline's device.

        Raises ValueError unless they are such as `decode` takes.
        """
        if self.num_classes is None:
            if labels is not None:
                raise ValueError("expected no labels: this model is not conditional")
            return None
        wanted = f"labels 0 to {self.num_classes - 1}"
        if labels is None:
            raise ValueError(f"expected {wanted}, one for all samples or for each")
        try:
            given = torch.as_tensor(labels, device=self.device)
        except (TypeError, ValueError, RuntimeError) as error:
            raise ValueError(f"expected {wanted}, but got {labels!r}") from error
        if given.is_floating_point() or given.dtype == torch.bool:
            raise ValueError(f"expected {wanted}, but got {labels!r}")
        given = given.expand(count) if given.dim() == 0 else given
        if given.shape != (count,):
            raise ValueError(f"expected {count} labels, but got {given.numel()}")
        wrong = given[(given < 0) | (given >= self.num_classes)]
        if len(wrong):
            raise ValueError(f"expected {wanted}, but got {wrong[0]}")
        return given

    @torch.no_grad()
    def __call__(
        self,
        batch_size: int = 1,
        generator: torch.Generator | None = None,
        labels: Labels = None,
        output_type: str = "pil",
        return_dict: bool = True,
    ) -> ImagePipelineOutput | tuple[list[Image.Image] | Tensor]:
        """Draw `batch_size` samples.

        generator: source of randomness; the same state gives the same images, bit for bit
        labels: class of all samples or of each, from 0; None takes the classes in turn, if any
        output_type: "pil" for images in mode L or RGB, "pt" for a tensor (B, C, S, S) in [-1, 1]
        return_dict: an object with the field `images`, or a tuple of one
        Raises ValueError for a batch size below 1, labels as in `decode`, or another output type.
        """
        if output_type not in ("pil", "pt"):
            raise ValueError(f"expected the output type 'pil' or 'pt', but got {output_type!r}")
        latents = self.draw(batch_size, generator)
        if labels is None:
            labels = self.in_turn(batch_size)
        samples = self.decode(latents, labels)
        drawn = images.to_pil(samples) if output_type == "pil" else samples
        return ImagePipelineOutput(images=drawn) if return_dict else (drawn,)
