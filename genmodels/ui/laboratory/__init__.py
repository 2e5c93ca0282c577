"""The Laboratory tab: train a generative model on 2-D points and watch it learn."""

from genmodels.ui.laboratory.view import tab as tab
