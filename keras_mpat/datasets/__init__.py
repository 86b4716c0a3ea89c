"""Image data for robust training: `(x, y)` streams in [0, 1] that resume exactly.

    from keras_mpat import datasets

    train = datasets.load("digits_2", "train")           # batches (x, y)
    x, y, modes = datasets.arrays("digits_2", "test")    # NumPy, with hidden modes
    own = datasets.from_arrays(images, labels, shuffle=True)

Reading order: `catalog` says what a data set is and keeps the registry, `sets` lists
those that come with the package, `lookup` finds one by its name; `digits`, `tfds`,
`folder` and `tiny_imagenet` read them. `splits` draws the validation set, `loading`
holds `arrays` and `load`, `pipeline` turns arrays into batches, which `plans` chooses
and orders, `augmentation` and `affine` alter and `streams` hands to Keras; `shares`
gives each of several JAX processes its rows.
"""

from keras_mpat.datasets.affine import RandomAffine
from keras_mpat.datasets.augmentation import Augmentation, PadCropFlip
from keras_mpat.datasets.catalog import DatasetInfo, LazyInfo, names, register
from keras_mpat.datasets.loading import arrays, load
from keras_mpat.datasets.lookup import info
from keras_mpat.datasets.pipeline import balanced, from_arrays
from keras_mpat.datasets.sets import BUILTIN
from keras_mpat.datasets.shares import Share
from keras_mpat.datasets.tfds import TfdsLoader

for _entry in BUILTIN:
    register(_entry)

__all__ = [
    "Augmentation",
    "DatasetInfo",
    "LazyInfo",
    "PadCropFlip",
    "RandomAffine",
    "Share",
    "TfdsLoader",
    "arrays",
    "balanced",
    "from_arrays",
    "info",
    "load",
    "names",
    "register",
]
