"""Published models: decode a standard normal latent into a sample. One file per family."""

from genmodels.pipelines.adversarial import AdversarialPipeline
from genmodels.pipelines.autoencoding import AutoencodingPipeline, FittedAutoencodingPipeline
from genmodels.pipelines.base import LatentPipeline
from genmodels.pipelines.completing import CompletingPipeline
from genmodels.pipelines.denoising import DenoisingPipeline, UnguidedDenoisingPipeline
from genmodels.pipelines.loading import (
    PIPELINES,
    from_folder,
    from_hub,
    load,
    load_component,
    pipeline_class,
    read_index,
)
