"""Logit pairing: the published value, both reductions, gradients to both sides."""

import numpy as np
import pytest
from keras import ops

from keras_mpat.losses.logit_pairing import logit_pairing
from tests.losses.gradients import gradient_of

Z = np.array([[1.0, 2, 0], [0, 0, 1]])
OTHER = np.array([[0.0, 2, 1], [0, 1, 1]])


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


def test_published_values():
    np.testing.assert_allclose(numpy(logit_pairing(Z, OTHER)), [2 / 3, 1 / 3])
    assert numpy(logit_pairing(Z, OTHER)).mean() == pytest.approx(0.5)
    summed = numpy(logit_pairing(Z, OTHER, reduction="sum_classes"))
    np.testing.assert_allclose(summed, [2, 1])
    assert summed.mean() == pytest.approx(1.5)


@pytest.mark.parametrize(("reduction", "share"), [("mean", 1 / 3), ("sum_classes", 1)])
def test_both_sides_are_drawn_together(reduction, share):
    first = gradient_of(lambda z: logit_pairing(z, OTHER, reduction=reduction), Z)
    np.testing.assert_allclose(first, 2 * share * (Z - OTHER), rtol=1e-6)
    second = gradient_of(lambda z: logit_pairing(Z, z, reduction=reduction), OTHER)
    np.testing.assert_allclose(second, -first, rtol=1e-6)


def test_equal_logits_cost_nothing():
    np.testing.assert_array_equal(numpy(logit_pairing(Z, Z)), 0.0)
    np.testing.assert_array_equal(gradient_of(lambda z: logit_pairing(z, Z), Z), 0.0)


def test_half_precision_is_computed_in_float32():
    far = logit_pairing(np.float16([[400, 0]]), np.float16([[0, 0]]))
    assert float(far[0]) == 80000.0  # above the largest float16
