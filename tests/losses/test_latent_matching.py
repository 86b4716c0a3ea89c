"""ATLD's terms: the published example digit by digit, and NumPy oracles."""

import numpy as np
import pytest
from keras import ops

from keras_mpat.losses import label_smoothing as smoothing
from keras_mpat.losses import latent_matching as matching


def _numpy(value):
    return ops.convert_to_numpy(value)


def test_the_published_example():
    natural = np.array([[2.0, 0.0, -1.0]], "float32")
    attacked = np.array([[1.0, 0.5, 0.0]], "float32")
    targets = smoothing.smoothed(np.array([0]), 3, 0.5)
    np.testing.assert_allclose(_numpy(targets), [[0.5, 0.25, 0.25]], rtol=1e-6)
    entropy = _numpy(smoothing.soft_cross_entropy(targets, attacked))
    np.testing.assert_allclose(entropy, [1.05526967], rtol=1e-6)
    distance = _numpy(matching.logit_distance(attacked, natural))
    np.testing.assert_allclose(distance, [0.75], rtol=1e-6)
    first = np.array([[0.07015667, 0.02535775]], "float32")
    second = np.array([[-1.33333333, 0.66666667]], "float32")
    factor = float(matching.balance(first, second))
    assert factor == pytest.approx(0.105235, rel=1e-5)
    absolute = float(matching.balance(first, second, absolute=True))
    assert absolute == pytest.approx(0.05261750, rel=1e-5)
    total = entropy[0] + factor / 2 * distance[0]
    assert total == pytest.approx(1.09473280, rel=1e-6)


def test_the_divergence_of_two_probabilities():
    def logit(p):
        return np.log(p / (1 - p)).astype("float32")

    told = matching.binary_divergence(logit(np.array([0.7])), logit(np.array([0.4])))
    np.testing.assert_allclose(_numpy(told), [0.86750057], rtol=1e-6)
    equal = matching.binary_divergence(np.zeros(4, "float32"), np.zeros(4, "float32"))
    assert float(matching.jensen_shannon(equal)) == pytest.approx(0.0, abs=1e-6)
    apart = matching.binary_divergence(
        np.full(4, 90.0, "float32"), np.full(4, -90.0, "float32")
    )
    assert float(matching.jensen_shannon(apart)) == pytest.approx(np.log(2), rel=1e-6)


def test_a_balance_without_a_direction_is_zero_and_bounded():
    up, down = np.ones((2, 3), "float32"), -np.ones((2, 3), "float32")
    assert float(matching.balance(up, 0 * up)) == 0.0
    assert float(matching.balance(up, down)) == 0.0
    assert float(matching.balance(down, up)) == 0.0
    assert float(matching.balance(up, 1e-9 * up)) == 1e4
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 5, 7)).astype("float32")
    assert float(matching.balance(a, b)) == pytest.approx(a.max() / b.max(), rel=1e-6)


def test_the_smoothing_term_is_the_difference_of_two_cross_entropies():
    rng = np.random.default_rng(1)
    logits = rng.normal(size=(6, 4)).astype("float32")
    labels = rng.integers(0, 4, 6)
    soft = smoothing.soft_cross_entropy(smoothing.smoothed(labels, 4, 0.3), logits)
    hard = smoothing.soft_cross_entropy(smoothing.smoothed(labels, 4, 0.0), logits)
    term = smoothing.smoothing_term(labels, ops.convert_to_tensor(logits), 0.3)
    np.testing.assert_allclose(_numpy(term), _numpy(soft) - _numpy(hard), atol=1e-6)
