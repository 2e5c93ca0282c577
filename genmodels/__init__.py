"""Everything needed to use a generative model."""

from .pipelines import load

__all__ = ["load"]
