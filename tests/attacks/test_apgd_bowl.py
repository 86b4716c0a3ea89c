"""APGD on a quadratic bowl: it ends at the point of the ball and box nearest to it."""

from dataclasses import dataclass

import numpy as np
import pytest
from keras import ops

from keras_mpat import backend, noise
from keras_mpat.attacks import APGD
from keras_mpat.objectives import CrossEntropy
from keras_mpat.threat_models import L2, Linf

COUNT, FEATURES, EPSILON = 24, 6, 0.2
RNG = np.random.default_rng(0)
X = RNG.uniform(size=(COUNT, FEATURES)).astype("float32")
X[:8] = np.round(X[:8])  # at corners the box cuts the ball
TOP = (X + 0.3 * RNG.normal(size=X.shape)).astype("float32")
TOP[12:] = X[12:] + 0.05 * RNG.normal(size=(12, FEATURES))  # most inside the ball


@dataclass(frozen=True, eq=False)
class Bowl(CrossEntropy):
    """Minus the squared distance to `TOP`; the logits are the inputs, and one more."""

    def __call__(self, targets, logits):
        return -ops.sum((logits[:, :FEATURES] - TOP) ** 2, axis=-1)


def logits_fn(x):
    """The last class leads by far: nothing is fooled, so every step is taken."""
    return ops.concatenate([x, 0.0 * x[:, :1] + 9.0], axis=-1)


def nearest(norm, x, top):
    """The point of ball and box nearest to `top`, by its Lagrange multiplier."""
    x, top = x.astype("float64"), top.astype("float64")
    if norm is Linf:
        return np.clip(np.clip(top, x - EPSILON, x + EPSILON), 0, 1)

    def point(multiplier):
        return np.clip((top + multiplier * x) / (1 + multiplier), 0, 1)

    low, high = np.zeros((len(x), 1)), np.full((len(x), 1), 1e6)
    outside = np.linalg.norm(point(low) - x, axis=1, keepdims=True) > EPSILON
    for _ in range(100):
        middle = (low + high) / 2
        far = np.linalg.norm(point(middle) - x, axis=1, keepdims=True) > EPSILON
        low, high = np.where(far, middle, low), np.where(far, high, middle)
    return point(np.where(outside, high, 0.0))


@pytest.mark.parametrize("norm", [Linf, L2])
def test_it_ends_at_the_nearest_point_of_ball_and_box(norm):
    attack = APGD(norm(EPSILON), steps=300, objective=Bowl())
    labels, keys = np.full(COUNT, FEATURES, "int32"), noise.keys(0, COUNT)
    compiled = backend.function(lambda x, keys: attack(logits_fn, x, labels, keys))
    result = compiled(ops.convert_to_tensor(X), keys)
    expected = nearest(norm, X, TOP)
    found = ops.convert_to_numpy(result)
    inner = np.linalg.norm(TOP - X, axis=1) < 0.9 * EPSILON
    assert 3 < inner.sum() < COUNT
    values, best = (-np.sum((p - TOP) ** 2, axis=-1) for p in (found, expected))
    np.testing.assert_allclose(found, expected, atol=EPSILON / 32)
    assert np.all(values <= best + 1e-6) and np.all(values >= best - 2e-4)
