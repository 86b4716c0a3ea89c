"""Lengths and directions: their values, and gradients that stay finite at zero."""

import numpy as np
import pytest
from keras import ops

from keras_mpat.losses.directions import lengths, unit
from tests.losses.gradients import gradient_of

VECTORS = np.array([[0, 0], [3e-9, 4e-9], [3, 4]], "float32")


def test_unit_leaves_zero_and_normalizes_tiny_vectors():
    np.testing.assert_allclose(
        ops.convert_to_numpy(unit(VECTORS)), [[0, 0], [0.6, 0.8], [0.6, 0.8]], rtol=1e-5
    )


def test_lengths_are_euclidean():
    np.testing.assert_allclose(
        ops.convert_to_numpy(lengths(VECTORS)), [0, 5e-9, 5], rtol=1e-5
    )


@pytest.mark.parametrize("function", [unit, lengths], ids=lambda f: f.__name__)
def test_the_gradient_at_zero_is_zero(function):
    def total(x):
        values = function(x)
        return ops.sum(values * ops.arange(1, 1 + values.shape[-1], dtype="float32"))

    np.testing.assert_array_equal(gradient_of(total, np.zeros((2, 3))), 0.0)


def test_the_gradient_of_a_length_is_the_direction():
    x = np.array([[3.0, 4.0], [-5.0, 12.0]])
    np.testing.assert_allclose(
        gradient_of(lengths, x), [[0.6, 0.8], [-5 / 13, 12 / 13]], rtol=1e-6
    )
