"""Training and reference data: a Hub id, a folder in Hub layout or a folder of images."""

from genmodels.data.decoding import SUFFIXES
from genmodels.data.sources import Images, Pixels, list_files, load, load_folder
