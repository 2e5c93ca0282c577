"""Load, sample, measure and show generative models."""

from genmodels.pipelines import load

__all__ = ["load"]
