"""What the tests of the threat models share: both norms, tensors, images."""

import numpy as np
import pytest
from keras import ops

from keras_mpat.threat_models import L2, Linf

BOTH = pytest.mark.parametrize("norm", [Linf, L2])


def to_numpy(tensor):
    return ops.convert_to_numpy(tensor)


def to_tensor(array):
    return ops.convert_to_tensor(np.asarray(array, "float32"))


def images(count=6, shape=(3, 4, 2), seed=0):
    """Uniform images with exact zeros and ones among them."""
    x = np.random.default_rng(seed).uniform(size=(count, *shape)).astype("float32")
    x[0, 0], x[0, 1] = 0.0, 1.0
    return x
