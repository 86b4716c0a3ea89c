"""scikit-learn's 1797 scanned digits: 8x8 images that come with the library.

The set is small enough for tests and needs no network. A fixed stratified fifth is
the test set; "all" gives every image in the library's order, for cross-validation.
"""

import functools
from typing import Any

import numpy as np

from keras_mpat.datasets.splits import complement, fixed_test


def load_digits(part: str, **where: Any) -> tuple[np.ndarray, np.ndarray]:
    """Images (N, 8, 8, 1) in float32 within [0, 1] and digits (N,), read-only.

    Args:
        part: "train", "test" or "all".
        **where: `data_dir` and `download`, not needed here.

    Raises:
        ImportError: If scikit-learn is not installed.
    """
    images, digits = _read()
    if part == "all":
        return images, digits
    rows = fixed_test(digits)
    if part == "train":
        rows = complement(rows, len(digits))
    return images[rows], digits[rows]


@functools.lru_cache(maxsize=1)
def _read() -> tuple[np.ndarray, np.ndarray]:
    try:
        from sklearn import datasets as library
    except ImportError as error:
        raise ImportError(
            "The data set `digits` is read from scikit-learn, which is not "
            "installed. Run: pip install scikit-learn"
        ) from error
    bunch = library.load_digits()
    # Pixels are counts from 0 to 16 of the dots set in a 4x4 block.
    images = (bunch.images[..., None] / 16.0).astype("float32")
    digits = bunch.target.astype("int32")
    images.flags.writeable = digits.flags.writeable = False
    return images, digits
