"""CWL2 against exact distances, and the bisection of its constant."""

import numpy as np
import pytest
from keras import ops

from keras_mpat import attacks, backend, noise
from keras_mpat.attacks.cwl2 import _bisect
from keras_mpat.threat_models import L2
from tests.balls import to_numpy, to_tensor
from tests.boundaries import linear_distances

FAST = {"steps": 150, "binary_search_steps": 8, "initial_const": 0.1}


def _linear(classes, low=0.0, high=1.0):
    rng = np.random.default_rng(classes)
    weights = rng.normal(size=(10, classes)).astype("float32")
    x = (low + (high - low) * rng.uniform(size=(16, 10))).astype("float32")
    bias = -np.mean(x @ weights, axis=0).astype("float32")
    y = np.argmax(x @ weights + bias, axis=1)
    y[0] = (y[0] + 1) % classes

    def logits_fn(x):
        return ops.matmul(x, weights) + bias

    return logits_fn, x, y.astype("int32"), weights, bias


def _closest(attack, logits_fn, x, y):
    compiled = backend.function(lambda x, y, k: attack.closest(logits_fn, x, y, k))
    keys = noise.keys(0, len(x))
    return tuple(map(to_numpy, compiled(to_tensor(x), ops.convert_to_tensor(y), keys)))


@pytest.mark.parametrize("classes", [2, 3, 8])
@pytest.mark.parametrize("box", [(0.0, 1.0), (-20.0, 60.0)])
def test_distances_of_linear_models_are_exact_to_two_percent(classes, box):
    low, high = box
    logits_fn, x, y, weights, bias = _linear(classes, low, high)
    scale = 1 / (high - low)  # logits as those of inputs in [0, 1]
    exact = linear_distances(x, y, weights, bias, low, high, "L2")
    attack = attacks.CWL2(L2(0.1, bounds=box), **FAST)
    x_adv, distance = _closest(attack, lambda x: scale * logits_fn(x), x, y)
    feasible = np.isfinite(exact)
    assert feasible.sum() >= 12 and exact[0] == 0
    assert np.all(np.isinf(distance[~feasible]))
    distance, exact = distance[feasible], exact[feasible]
    assert np.all(distance >= exact * (1 - 1e-5))
    # It follows the best wrong class, which is not always the nearest one.
    close = distance <= exact * 1.02 + 1e-6
    assert np.mean(close) >= (1.0 if classes == 2 else 0.9)
    wrong = np.argmax(to_numpy(logits_fn(to_tensor(x_adv))), -1) != y
    assert np.all(wrong[feasible])
    lengths = np.linalg.norm((x_adv - x)[feasible], axis=1)
    np.testing.assert_allclose(lengths, distance, rtol=1e-5)


def test_as_an_attack_it_fools_what_has_a_boundary_in_the_ball():
    logits_fn, x, y, weights, bias = _linear(3)
    exact = linear_distances(x, y, weights, bias, 0.0, 1.0, "L2")
    epsilon = float(np.median(exact))
    attack = attacks.CWL2(L2(epsilon), **FAST)
    run = backend.function(lambda x: attack(logits_fn, x, y, noise.keys(0, len(x))))
    result = to_numpy(run(to_tensor(x)))
    fooled = np.argmax(to_numpy(logits_fn(to_tensor(result))), -1) != y
    assert not np.any(fooled[exact > epsilon])
    assert np.mean(fooled[exact < 0.98 * epsilon]) >= 0.8
    assert np.linalg.norm(result - x, axis=1).max() <= epsilon * (1 + 2e-6)


def test_masks_and_radii_per_feature_are_respected():
    logits_fn, x, y, weights, bias = _linear(3)
    mutable = np.arange(10) % 3 != 0
    exact = linear_distances(x, y, weights, bias, 0.0, 1.0, "L2", mutable=mutable)
    attack = attacks.CWL2(L2(0.1, mutable=mutable), **FAST)
    x_adv, distance = _closest(attack, logits_fn, x, y)
    np.testing.assert_array_equal(x_adv[:, ~mutable], x[:, ~mutable])
    feasible = np.isfinite(exact)
    close = distance[feasible] <= exact[feasible] * 1.02 + 1e-6
    assert np.mean(close) >= 0.9
    radius = np.where(mutable, 0.2, 0.0).astype("float32")
    attack = attacks.CWL2(L2(radius), **FAST)
    _, same = _closest(attack, logits_fn, x, y)
    np.testing.assert_allclose(same, distance, rtol=1e-4)


def test_constant_grows_tenfold_until_it_fools_and_is_bisected_after():
    constant, low, high = np.float32([1.0]), np.float32([0.0]), np.float32([1e10])
    seen = []
    for fooled in (False, False, True, False, True):
        state = (constant, low, high, np.array([fooled]))
        constant, low, high = map(to_numpy, _bisect(*map(ops.convert_to_tensor, state)))
        seen.append(float(constant[0]))
    np.testing.assert_allclose(seen, [10, 100, 55, 77.5, 66.25])
