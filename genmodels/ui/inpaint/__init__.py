"""The tab for inpainting: several models and methods complete the same picture."""

from genmodels.ui.inpaint.texts import TEXTS
from genmodels.ui.inpaint.view import tab

__all__ = ["TEXTS", "tab"]
