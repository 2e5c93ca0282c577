"""The tab Metrics: live metrics, training runs and memorisation."""

from genmodels.ui.metrics.texts import TEXTS
from genmodels.ui.metrics.view import tab

__all__ = ["TEXTS", "tab"]
