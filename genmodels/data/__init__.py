"""Training and reference data: a Hub id, a folder, a ZIP archive or an NPZ file.

Images are decoded once into a memory-mapped cache, which processes and later runs share.
"""

from genmodels.data.dataset import Images
from genmodels.data.decoding import Decoding, ResizeMode
from genmodels.data.folders import list_files
from genmodels.data.pixels import Pixels
from genmodels.data.sources import load
