"""The Generate tab: draw samples from a model, and compare all models."""

from genmodels.ui.generate.view import tab as tab
