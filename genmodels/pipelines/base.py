"""The interface of every published model. B batch, C channels, S side, Z latent, K classes."""

from abc import abstractmethod
from collections.abc import Sequence
from numbers import Integral
from typing import ClassVar

import torch
from diffusers.configuration_utils import FrozenDict
from diffusers.pipelines.pipeline_utils import DiffusionPipeline, ImagePipelineOutput
from diffusers.utils.torch_utils import randn_tensor
from PIL import Image
from torch import Tensor

from genmodels.class_labels import Classes
from genmodels.errors import UserError
from genmodels.media.image import to_pil

MAX_TRUNCATION = 4.0  # values of a normal latent beyond it are too rare to matter

Labels = int | Sequence[int] | Tensor | None
Generators = torch.Generator | Sequence[torch.Generator] | None


def truncate(latents: Tensor, threshold: float) -> Tensor:
    """Map standard normal latents to a normal distribution truncated at ±threshold.

    Lower thresholds give higher quality and less diversity: Large Scale GAN Training for High
    Fidelity Natural Image Synthesis (Brock et al., 2019), section 3.1,
    https://arxiv.org/abs/1809.11096. Unlike there, values are mapped through the inverse CDF
    instead of redrawn, so a latent remains a function of its seed. Thresholds are above 0; 4 or
    more return the latents unchanged.
    """
    if not threshold > 0:
        raise UserError(f"expected a truncation above 0, got {threshold}")
    if threshold >= MAX_TRUNCATION:
        return latents
    tail = torch.special.ndtr(torch.tensor(-threshold, dtype=torch.float64))
    inner = tail + (1 - 2 * tail) * torch.special.ndtr(latents.cpu().double())
    return torch.special.ndtri(inner).to(latents)


class LatentPipeline(DiffusionPipeline):
    """A generative model as a map from a standard normal latent to a sample."""

    classes: Classes | None = None  # of a conditional model whose folder names them

    @property
    @abstractmethod
    def latent_shape(self) -> tuple[int, ...]:
        """Shape of the latent of one sample."""

    @property
    @abstractmethod
    def sample_shape(self) -> tuple[int, int, int]:
        """Shape (C, S, S) of one sample."""

    @property
    @abstractmethod
    def num_classes(self) -> int | None:
        """K for a conditional model, None for an unconditional one."""

    @abstractmethod
    def decode(
        self,
        latents: Tensor,
        labels: Labels = None,
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        scheduler: str | None = None,
    ) -> Tensor:
        """Decode latents (B, *latent_shape) into samples (B, C, S, S) in [-1, 1]. Differentiable.

        Args:
            labels: class from 0 to K - 1, one for all samples or one for each; required by a
                conditional model, refused by an unconditional one
            num_inference_steps, guidance_scale, scheduler: diffusion only, see DenoisingPipeline

        Raises:
            UserError: latents of another shape; labels or settings that the model does not accept.
        """

    def draw(self, count: int, generator: Generators = None) -> Tensor:
        """Draw standard normal latents (count, *latent_shape) on the pipeline's device.

        Values are drawn on the generator's device, so a CPU generator gives the same latents
        everywhere. With one generator per latent, each latent depends on its own only.
        """
        if not isinstance(count, Integral) or count < 1:
            raise UserError(f"expected a number of samples of at least 1, got {count!r}")
        if isinstance(generator, list | tuple):
            generator = list(generator)
            if len(generator) != count:
                raise UserError(f"expected one generator or {count}, got {len(generator)}")
        for one in generator if isinstance(generator, list) else [generator]:
            if one is not None and not isinstance(one, torch.Generator):
                expected = "a generator such as torch.Generator().manual_seed(0)"
                raise UserError(f"expected {expected}, got {one!r}")
        shape = (int(count), *self.latent_shape)
        return randn_tensor(shape, generator=generator, device=self.device, dtype=self.dtype)

    def balanced_labels(self, count: int) -> Tensor | None:
        """Return labels (count,) that cycle through the classes; None if there are none."""
        if self.num_classes is None:
            return None
        return torch.arange(count, device=self.device) % self.num_classes

    def check_shape(self, tensor: Tensor, shape: tuple[int, ...], name: str) -> None:
        """Raise UserError unless the tensor is a batch (B, *shape)."""
        if tensor.shape[1:] != shape:
            expected = ", ".join(map(str, ("B", *shape)))
            raise UserError(f"expected {name} ({expected}), got {tuple(tensor.shape)}")

    def check_samples(self, samples: Tensor) -> None:
        """Raise UserError unless samples have the shape and range that `decode` returns."""
        self.check_shape(samples, self.sample_shape, "samples")
        if not (samples.abs() <= 1).all():
            raise UserError("expected samples in [-1, 1]")

    def prepare_labels(self, labels: Labels, count: int) -> Tensor | None:
        """Expand labels to (count,) on the pipeline's device; check them; see `decode`."""
        if self.num_classes is None:
            if labels is not None:
                raise UserError("expected no labels: this model is unconditional")
            return None
        expected = f"labels from 0 to {self.num_classes - 1}"
        if labels is None:
            raise UserError(f"expected {expected}, one for all samples or one for each; got none")
        try:
            tensor = torch.as_tensor(labels, device=self.device)
        except (TypeError, ValueError, RuntimeError) as error:
            raise UserError(f"expected {expected}, got {labels!r}") from error
        if tensor.is_floating_point() or tensor.dtype == torch.bool:
            raise UserError(f"expected {expected} as integers, got {tensor.dtype}")
        tensor = tensor.expand(count) if tensor.dim() == 0 else tensor
        if tensor.shape != (count,):
            got = tensor.numel()
            raise UserError(f"expected one label, or one for each of {count} samples, got {got}")
        invalid = tensor[(tensor < 0) | (tensor >= self.num_classes)]
        if len(invalid):
            raise UserError(f"expected {expected}, got {invalid[0]}")
        return tensor

    @torch.no_grad()
    def __call__(
        self,
        batch_size: int = 1,
        generator: Generators = None,
        labels: Labels = None,
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        scheduler: str | None = None,
        output_type: str = "pil",
        return_dict: bool = True,
    ) -> ImagePipelineOutput | tuple[list[Image.Image] | Tensor]:
        """Draw `batch_size` samples.

        Args:
            generator: source of randomness, or one for each sample; the same state gives the same
                samples, bit for bit
            labels: class of all samples or of each, from 0; None cycles through the classes of a
                conditional model
            num_inference_steps, guidance_scale, scheduler: diffusion only, see DenoisingPipeline
            output_type: "pil" for images in mode L or RGB, "pt" for samples (B, C, S, S) in [-1, 1]
            return_dict: return an object with the field `images` instead of a tuple
        """
        if output_type not in ("pil", "pt"):
            raise UserError(f"expected output_type 'pil' or 'pt', got {output_type!r}")
        latents = self.draw(batch_size, generator)
        if labels is None:
            labels = self.balanced_labels(batch_size)
        samples = self.decode(latents, labels, num_inference_steps, guidance_scale, scheduler)
        images = to_pil(samples) if output_type == "pil" else samples
        return ImagePipelineOutput(images=images) if return_dict else (images,)


class OneStepPipeline(LatentPipeline):
    """A model that decodes in one pass of a network."""

    main_component: ClassVar[str]  # the network whose config has latent_dim, side and channels

    @property
    def latent_shape(self) -> tuple[int]:
        return (self.network_config.latent_dim,)

    @property
    def sample_shape(self) -> tuple[int, int, int]:
        return (self.network_config.channels, self.network_config.side, self.network_config.side)

    @property
    def num_classes(self) -> int | None:
        return getattr(self.network_config, "num_classes", None)

    @property
    def network_config(self) -> FrozenDict:
        return getattr(self, self.main_component).config

    @abstractmethod
    def forward(self, latents: Tensor, labels: Tensor | None) -> Tensor:
        """Decode latents (B, *latent_shape) of the right shape, with labels (B,) or None."""

    def decode(
        self,
        latents: Tensor,
        labels: Labels = None,
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        scheduler: str | None = None,
    ) -> Tensor:
        names = ("num_inference_steps", "guidance_scale", "scheduler")
        for name, it in zip(names, (num_inference_steps, guidance_scale, scheduler), strict=True):
            if it is not None:
                raise UserError(f"expected no {name}: this model decodes in one step, got {it!r}")
        self.check_shape(latents, self.latent_shape, "latents")
        return self.forward(latents, self.prepare_labels(labels, len(latents)))
