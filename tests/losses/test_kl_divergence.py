"""KL divergence: a slow oracle, its gradients, and classes that are sure."""

import math

import numpy as np
import pytest
from keras import ops

from keras_mpat.losses.kl_divergence import kl_divergence
from tests.losses.gradients import gradient_of
from tests.oracles import cross_entropy, finite_differences


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


def oracle(first, second):
    """sum_c p_c (log p_c - log q_c) per example."""
    values = []
    for one, other in zip(first, second, strict=True):
        log_p = [-cross_entropy(one, c) for c in range(len(one))]
        log_q = [-cross_entropy(other, c) for c in range(len(other))]
        pairs = zip(log_p, log_q, strict=True)
        values.append(sum(math.exp(p) * (p - q) for p, q in pairs))
    return np.array(values)


def pairs(classes, seed=0):
    return np.random.default_rng(seed).normal(size=(2, 8, classes)) * 3


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_matches_the_oracle(classes):
    first, second = pairs(classes)
    found = numpy(kl_divergence(first, second))
    np.testing.assert_allclose(found, oracle(first, second), rtol=1e-4, atol=1e-6)
    assert np.abs(found - oracle(second, first)).max() > 0.1  # it has a direction


def test_two_halves_against_a_quarter():
    first, second = np.zeros((1, 2)), np.log([[0.25, 0.75]])
    value = 0.5 * math.log(2) + 0.5 * math.log(2 / 3)
    assert float(kl_divergence(first, second)[0]) == pytest.approx(value, rel=1e-5)


def test_equal_probabilities_diverge_by_nothing():
    first, _ = pairs(4)
    values = numpy(kl_divergence(first, first + np.arange(8)[:, None]))
    np.testing.assert_allclose(values, 0.0, atol=3e-6)
    assert np.all(gradient_of(lambda z: kl_divergence(first, z), first) < 1e-6)


def test_gradients_to_both_sides():
    first, second = pairs(3, seed=1)
    for found, expected in (
        (
            gradient_of(lambda z: kl_divergence(first, z), second),
            finite_differences(lambda z: oracle(first, z).sum(), second),
        ),
        (
            gradient_of(lambda z: kl_divergence(z, second), first),
            finite_differences(lambda z: oracle(z, second).sum(), first),
        ),
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)


def test_a_sure_net_keeps_the_gradient_of_its_own_class():
    """softmax of 40 against 0 is 1 in float32: q - p of the class would be 0."""
    first, second = np.array([[40.0, 0, 0]]), np.array([[30.0, 0, 0]])
    gradient = gradient_of(lambda z: kl_divergence(first, z), second)[0]
    share = math.exp(-30) - math.exp(-40)
    np.testing.assert_allclose(gradient, [-2 * share, share, share], rtol=1e-3)
    value = float(kl_divergence(first, second)[0])
    assert value == pytest.approx(2 * share - 2 * 10 * math.exp(-40), rel=1e-3)


def test_large_and_half_precision_logits_stay_finite():
    first = np.array([[6e4, -6e4], [0, 6e4], [-6e4, 6e4]])
    for dtype in ("float16", "float32"):
        for goal in (
            lambda z: kl_divergence(first, -z),
            lambda z: kl_divergence(-z, first),
        ):
            assert np.all(np.isfinite(gradient_of(goal, first, dtype)))
    expected = [1.2e5, 6e4, 1.2e5]
    np.testing.assert_allclose(numpy(kl_divergence(first, -first)), expected, rtol=1e-5)
