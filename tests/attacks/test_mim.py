"""MIM against a loop in NumPy, and the sums of the method notes."""

import numpy as np
import pytest
from keras import ops

from keras_mpat import attacks
from keras_mpat.threat_models import L2, Linf

RNG = np.random.default_rng(4)
WEIGHTS = RNG.normal(size=(5, 3)) * 6
CURVES = RNG.normal(size=(5, 3)) * 6
X = RNG.uniform(0.2, 0.8, size=(12, 5))
Y = RNG.integers(3, size=12)


def logits_fn(x):
    linear = ops.matmul(x, WEIGHTS.astype("float32"))
    return linear + ops.matmul(x * x, CURVES.astype("float32"))


def _gradient(x, y):
    z = x @ WEIGHTS + (x * x) @ CURVES
    p = np.exp(z - z.max())
    p /= p.sum()
    p[y] -= 1
    return WEIGHTS @ p + 2 * x * (CURVES @ p)


def _oracle(norm, momentum, steps=6, epsilon=0.3, step_size=0.1):
    results = []
    for x, y in zip(X, Y, strict=True):
        x_adv, total = x.copy(), np.zeros(5)
        for _ in range(steps):
            gradient = _gradient(x_adv, y)
            total = momentum * total + gradient / np.mean(np.abs(gradient))
            if norm is Linf:
                x_adv = x_adv + step_size * np.sign(total)
                x_adv = np.clip(x_adv, x - epsilon, x + epsilon)
            else:
                change = x_adv + step_size * total / np.linalg.norm(total) - x
                x_adv = x + change * min(1, epsilon / np.linalg.norm(change))
            x_adv = np.clip(x_adv, 0, 1)
        results.append(x_adv)
    return np.array(results)


@pytest.mark.parametrize("norm", [Linf, L2])
@pytest.mark.parametrize("momentum", [0.0, 0.5, 1.0])
def test_equals_the_loop_in_numpy(norm, momentum):
    attack = attacks.MIM(norm(0.3), steps=6, step_size=0.1, momentum=momentum)
    result = ops.convert_to_numpy(attack(logits_fn, X, Y))
    np.testing.assert_allclose(result, _oracle(norm, momentum), atol=2e-5)


def test_momentum_and_normalization_matter_in_that_test():
    assert np.abs(_oracle(Linf, 1.0) - _oracle(Linf, 0.0)).max() > 0.1
    assert np.abs(_oracle(Linf, 1.0) - _oracle(Linf, 0.5)).max() > 0.1


def test_running_sum_of_the_notes():
    # The gradients [1, -3] and then [-2, 1] give a sum of equal signs only when each
    # is divided by its magnitude first: -5/12 in both features, here twice that.
    class Recorder(Linf):
        def steepest(self, gradient):
            seen.append(ops.convert_to_numpy(gradient)[0].tolist())
            return super().steepest(gradient)

    from dataclasses import dataclass

    from keras_mpat.objectives import CrossEntropy

    @dataclass(frozen=True, eq=False)
    class Scripted(CrossEntropy):
        def __call__(self, targets, logits):
            slopes = [[1.0, -3.0], [-2.0, 1.0]][len(seen)]
            return ops.sum(logits * np.array([slopes], "float32"), axis=-1)

    seen = []
    attack = attacks.MIM(Recorder(0.3), steps=2, objective=Scripted())
    attack(lambda x: x, np.array([[0.5, 0.4]]), np.array([0]))
    np.testing.assert_allclose(seen[0], [0.5, -1.5], rtol=1e-6)
    np.testing.assert_allclose(seen[1], [2 * -0.41666667] * 2, rtol=1e-6)


@pytest.mark.parametrize("norm", [Linf, L2])
def test_zero_gradient_moves_nothing(norm):
    attack = attacks.MIM(norm(0.1), steps=3)
    x = np.array([[0.5, 0.2]], "float32")
    result = attack(lambda x: 0.0 * x, x, np.array([0]))
    np.testing.assert_array_equal(ops.convert_to_numpy(result), x)


@pytest.mark.parametrize("momentum", [-0.1, float("nan")])
def test_bad_momentum_is_named(momentum):
    with pytest.raises(
        ValueError, match=r"`momentum` must be >= 0 .*Received: momentum=.*usual value"
    ):
        attacks.MIM(Linf(0.1), momentum=momentum)
