"""Architectures only: no loss, no sampling. A constructor's arguments are its published config.

Module paths and class names in this folder are written into every published model_index.json:
they are part of the file format.
"""
