"""The tab Metrics: live metrics, training runs and memorisation."""

from genmodels.ui.metrics.view import tab

__all__ = ["tab"]
