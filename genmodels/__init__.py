"""Everything needed to use a generative model."""

from genmodels.pipelines import load

__all__ = ["load"]
