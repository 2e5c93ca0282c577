"""Training and reference data: a Hub id, a folder in Hub layout or a folder of images."""

from genmodels.data.sources import SUFFIXES, Images, decode, list_files, load, load_folder

__all__ = ["SUFFIXES", "Images", "decode", "list_files", "load", "load_folder"]
