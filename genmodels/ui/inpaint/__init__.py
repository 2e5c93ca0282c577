"""The Inpaint tab: several models and methods complete the same picture."""

from genmodels.ui.inpaint.view import tab as tab
