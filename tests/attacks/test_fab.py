"""FAB against exact distances: linear models, enumerated ReLU nets, invariances."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_mpat import attacks, backend, noise
from keras_mpat.attacks.targets import wrong_class
from keras_mpat.threat_models import L2, Linf
from tests.balls import to_numpy, to_tensor
from tests.boundaries import linear_distances, relu_distance

FAB = attacks.FAB
NORMS = pytest.mark.parametrize("norm", [Linf, L2])
BOX = (np.linspace(-1, 0, 12), np.linspace(0.5, 2, 12))


def _linear(classes, count=24, low=0.0, high=1.0, seed=0):
    """(logits_fn, x, y, weights, bias): most are right, some near the boundary."""
    rng = np.random.default_rng(seed + classes)
    weights = rng.normal(size=(12, classes)).astype("float32")
    x = low + (high - low) * np.clip(rng.uniform(-0.2, 1.2, (count, 12)), 0, 1)
    x = x.astype("float32")
    bias = -np.mean(x @ weights, axis=0).astype("float32")
    y = np.argmax(x @ weights + bias, axis=1)
    y[:2] = (y[:2] + 1) % classes  # misclassified from the start

    def logits_fn(x):
        return ops.matmul(x, weights) + bias

    return logits_fn, x, y.astype("int32"), weights, bias


def _closest(attack, logits_fn, x, y, seed=0):
    compiled = backend.function(lambda x, y, k: attack.closest(logits_fn, x, y, k))
    keys = noise.keys(seed, len(x))
    return tuple(map(to_numpy, compiled(to_tensor(x), ops.convert_to_tensor(y), keys)))


def _attacked(attack, logits_fn, x, y, seed=0):
    compiled = backend.function(lambda x, y, k: attack(logits_fn, x, y, k))
    keys = noise.keys(seed, len(x))
    return to_numpy(compiled(to_tensor(x), ops.convert_to_tensor(y), keys))


def _wrong(logits_fn, x, y):
    return np.argmax(to_numpy(logits_fn(to_tensor(x))), axis=-1) != y


@NORMS
@pytest.mark.parametrize("classes", [2, 3, 4, 8])
def test_distances_and_flags_of_linear_models_are_exact(norm, classes):
    logits_fn, x, y, weights, bias = _linear(classes)
    exact = linear_distances(x, y, weights, bias, 0.0, 1.0, norm.__name__)
    assert np.sum(exact == 0) >= 2
    x_adv, distance = _closest(FAB(norm(0.1), steps=8), logits_fn, x, y)
    np.testing.assert_allclose(distance, exact, rtol=1e-4, atol=2e-6)
    found = np.isfinite(exact)
    assert np.all(_wrong(logits_fn, x_adv, y)[found])
    change = (x_adv - x)[found]
    lengths = np.abs(change).max(1) if norm is Linf else np.linalg.norm(change, axis=1)
    np.testing.assert_allclose(lengths, distance[found], rtol=1e-5, atol=1e-7)

    epsilon = float(np.median(exact))
    attack = FAB(norm(epsilon), steps=8)
    result = _attacked(attack, logits_fn, x, y)
    clear = np.abs(exact - epsilon) > 1e-4 * epsilon
    fooled = _wrong(logits_fn, result, y)
    np.testing.assert_array_equal(fooled[clear], (exact <= epsilon)[clear])
    assert np.all(clear[exact != epsilon]) and 8 <= fooled.sum() <= 16
    size = to_numpy(attack.threat_model.distance(to_tensor(result), to_tensor(x)))
    assert size.max() <= epsilon * (1 + 2e-6)


@NORMS
def test_general_bounds_and_masks_are_part_of_the_exact_distance(norm):
    low, high = (bound.astype("float32") for bound in BOX)
    mutable = np.arange(12) % 4 != 0
    logits_fn, x, y, weights, bias = _linear(4, low=low, high=high)
    exact = linear_distances(
        x, y, weights, bias, low, high, norm.__name__, mutable=mutable
    )
    attack = FAB(norm(0.1, bounds=(low, high), mutable=mutable), steps=8)
    x_adv, distance = _closest(attack, logits_fn, x, y)
    np.testing.assert_allclose(distance, exact, rtol=1e-4, atol=2e-6)
    np.testing.assert_array_equal(x_adv[:, ~mutable], x[:, ~mutable])
    assert np.all(x_adv >= low) and np.all(x_adv <= high)


@NORMS
@pytest.mark.parametrize("classes", [2, 5])
def test_untargeted_steps_go_to_the_nearest_boundary(norm, classes):
    logits_fn, x, y, weights, bias = _linear(classes)
    box = (-50.0, 50.0)  # inactive: with it, the nearest plane may be another
    exact = linear_distances(x, y, weights, bias, *box, norm.__name__)
    attack = FAB(norm(0.1, bounds=box), steps=3, target_classes=None)
    assert attack.runs(classes) == 1
    _, distance = _closest(attack, logits_fn, x, y)
    np.testing.assert_allclose(distance, exact, rtol=1e-4, atol=2e-6)


@NORMS
def test_radius_per_feature_is_the_metric(norm):
    logits_fn, x, y, weights, bias = _linear(3)
    radius = np.array([0.0, 0.1, 0.2])[np.arange(12) % 3].astype("float32")
    unit, free = radius[radius > 0] / 0.2, radius > 0
    fixed = x[:, ~free] @ weights[~free]
    exact = np.concatenate(
        [
            linear_distances(
                x[i : i + 1, free] / unit,
                y[i : i + 1],
                weights[free] * unit[:, None],
                bias + fixed[i],
                0.0,
                1 / unit,
                norm.__name__,
            )
            for i in range(len(x))
        ]
    )
    x_adv, distance = _closest(FAB(norm(radius), steps=8), logits_fn, x, y)
    np.testing.assert_allclose(distance, exact, rtol=2e-4, atol=1e-6)
    np.testing.assert_array_equal(x_adv[:, ~free], x[:, ~free])


def test_the_ball_decides_where_the_distance_says():
    logits_fn, x, y, *_ = _linear(3)
    _, distance = _closest(FAB(L2(0.1), steps=2), logits_fn, x, y)

    def run(x, y, epsilon):
        attack = FAB(L2(1.0), steps=2).scaled(epsilon)
        return attack(logits_fn, x, y, noise.keys(0, 1))

    run, chosen = backend.function(run), np.isfinite(distance) & (distance > 0)
    for i in np.flatnonzero(chosen)[:4]:
        one = slice(i, i + 1)
        for factor in (1 + 2e-6, 1 - 1e-4):
            epsilon = np.float32(distance[i] * factor)
            inputs = map(ops.convert_to_tensor, (x[one], y[one], epsilon))
            result = to_numpy(run(*inputs))
            assert _wrong(logits_fn, result, y[one])[0] == (factor > 1)
            assert np.linalg.norm(result - x[one]) <= epsilon * (1 + 1e-6)


# Nets with one hidden layer


def _relu_nets(count=36, d=3, units=4, classes=2):
    rng = np.random.default_rng(3)
    first = rng.normal(size=(count, d, units))
    second = rng.normal(size=(count, units, classes))
    x = rng.uniform(size=(count, d))
    bias = -np.einsum("bd,bdh->bh", rng.uniform(size=(count, d)), first)
    hidden = np.maximum(np.einsum("bd,bdh->bh", x, first) + bias, 0)
    last = rng.normal(size=(count, classes)) * 0.3
    y = np.argmax(np.einsum("bh,bhc->bc", hidden, second) + last, axis=1)
    return x, y, first, bias, second, last


def test_one_hidden_layer_never_closer_than_possible_and_mostly_as_close():
    x, y, *layers = (part.astype("float32") for part in _relu_nets())
    y = y.astype("int32")
    first, bias, second, last = layers

    def logits_fn(x):  # one net per example
        hidden = ops.relu(ops.einsum("bd,bdh->bh", x, first) + bias)
        return ops.einsum("bh,bhc->bc", hidden, second) + last

    attack = FAB(Linf(0.5), steps=15, restarts=20, target_classes="all")
    x_adv, distance = _closest(attack, logits_fn, x, y)
    exact = np.array(
        [
            relu_distance(*row)
            for row in zip(np.float64(x), y, *map(np.float64, layers), strict=True)
        ]
    )
    assert 8 <= np.isfinite(exact).sum()
    assert np.all(distance >= exact * (1 - 1e-5) - 1e-6)  # never closer than possible
    found = np.isfinite(distance)
    assert np.all(_wrong(logits_fn, x_adv, y)[found])
    # Each run ends in a local minimum of such a small net: restarts find the others.
    np.testing.assert_array_equal(found, np.isfinite(exact))
    assert np.mean(distance[found] <= 1.02 * exact[found] + 1e-6) >= 0.9


def test_a_step_by_hand():
    # On the line the boundary is at 0.7: the point at 0.9 is 0.2 behind it, x before.
    x, x_adv = to_tensor([[0.5, 0.5]]), to_tensor([[0.9, 0.5]])
    value, gradient = to_tensor([0.2]), to_tensor([[1.0, 0.0]])
    # A fooled point keeps 0.9 of its way: 0.86, from where the boundary is 0.16 away.
    # A tenth of the step is that of x: the weight 0.16 / 0.36 is above its limit.
    expected = {
        True: 0.5 + 0.9 * (0.36 - 1.05 * 0.16) + 0.1 * 1.05 * 0.2,
        False: 0.5 + 0.9 * (0.40 - 1.05 * 0.20) + 0.1 * 1.05 * 0.2,
    }
    for fooled, place in expected.items():
        flag = ops.convert_to_tensor([fooled])
        moved = FAB(L2(0.1))._step(x, x_adv, value, gradient, flag)
        np.testing.assert_allclose(to_numpy(moved), [[place, 0.5]], atol=1e-6)


# Runs, targets, restarts


def test_runs_are_targets_by_rank_then_restarts():
    assert FAB(Linf(0.1)).runs(10) == 9
    assert FAB(Linf(0.1)).runs(4) == 3
    assert FAB(Linf(0.1), target_classes=2, restarts=3).runs(10) == 6
    assert FAB(Linf(0.1), target_classes="all").runs(100) == 99
    assert FAB(Linf(0.1), target_classes=None, restarts=4).runs(10) == 4
    # Inputs are their own logits: toward a class, only its logit and the true one move.
    x = np.array([[5, 1.0, 0.9, 0.8], [0.8, 5, 1.0, 0.9], [0.9, 0.8, 1, 5]], "float32")
    y, order = np.array([0, 1, 3], "int32"), np.argsort(-x, axis=1)
    attack, keys = FAB(L2(0.1, bounds=(-9, 9)), steps=1, restarts=2), noise.keys(0, 3)
    for number in range(3):
        classes = to_numpy(wrong_class(y, to_tensor(x), number))
        np.testing.assert_array_equal(classes, order[:, number + 1])
        x_adv, _ = attack.approach(lambda x: 1.0 * x, to_tensor(x), y, keys, number)
        np.testing.assert_array_equal(np.argmax(to_numpy(x_adv), axis=1), classes)


def test_any_wrong_class_on_the_way_is_a_success():
    # Toward class 2, which the box does not hold, class 1 is met.
    def logits_fn(x):
        slope = ops.concatenate([0.0 * x, 4.0 * x, x], axis=-1)
        return slope + np.array([2.4, 0.0, -9.0], "float32")

    attack, y = FAB(Linf(0.2), steps=4, target_classes="all"), np.array([0], "int32")
    keys = noise.keys(0, 1)
    x_adv, distance = attack.approach(logits_fn, to_tensor([[0.5]]), y, keys, 1)
    assert _wrong(logits_fn, to_numpy(x_adv), y).all()
    np.testing.assert_allclose(to_numpy(distance), [0.1], atol=1e-3)


def test_first_pass_starts_at_the_clean_point_and_the_next_elsewhere(digits_like):
    logits_fn, x, y = digits_like
    once, twice = (
        FAB(Linf(0.05), steps=3, restarts=r, target_classes=2) for r in (1, 2)
    )

    def points(attack, number, seed):
        keys = noise.keys(seed, len(x))
        return to_numpy(attack.approach(logits_fn, to_tensor(x), y, keys, number)[0])

    for number in (0, 1):
        first = points(once, number, 0)
        np.testing.assert_array_equal(points(once, number, 1), first)
        np.testing.assert_array_equal(points(twice, number, 1), first)
    again, other = points(twice, 2, 0), points(twice, 2, 1)
    np.testing.assert_array_equal(points(twice, 2, 0), again)
    assert not np.array_equal(other, again)
    assert not np.array_equal(points(twice, 0, 0), again)


@pytest.fixture(scope="module")
def digits_like():
    """(logits_fn, x, y): a small smooth net and points that it gets right."""
    rng = np.random.default_rng(5)
    first = rng.normal(size=(10, 16)).astype("float32")
    second = rng.normal(size=(16, 5)).astype("float32")

    def logits_fn(x):
        return ops.matmul(ops.tanh(ops.matmul(x - 0.5, first)), second)

    x = rng.uniform(size=(24, 10)).astype("float32")
    return (
        logits_fn,
        x,
        np.argmax(to_numpy(logits_fn(to_tensor(x))), -1).astype("int32"),
    )


@NORMS
@pytest.mark.parametrize(("factor", "shift"), [(1e-3, 0.0), (1e3, 50.0)])
def test_scale_and_shift_of_the_logits_change_nothing(norm, factor, shift, digits_like):
    logits_fn, x, y = digits_like
    attack = FAB(norm(0.1), steps=6, target_classes=2)

    def other(x):
        return factor * logits_fn(x) + shift

    _, expected = _closest(attack, logits_fn, x, y)
    _, distance = _closest(attack, other, x, y)
    np.testing.assert_allclose(distance, expected, rtol=1e-3)
    epsilon = np.median(expected) * 1.0005
    np.testing.assert_array_equal(distance <= epsilon, expected <= epsilon)


@NORMS
def test_distance_does_not_depend_on_epsilon(norm, digits_like):
    logits_fn, x, y = digits_like
    small, large = (
        _closest(FAB(norm(epsilon), steps=5, target_classes=1), logits_fn, x, y)[1]
        for epsilon in (0.01, 0.5)
    )
    np.testing.assert_allclose(small, large, rtol=1e-4)
    assert np.all(np.isfinite(small))


def test_nothing_found_is_infinitely_far_and_stays_finite():
    x = np.array([[0.0, 0.5, 1.0], [0.5, 0.0, 0.2]], "float32")
    y = np.array([0, 0], "int32")

    def constant(x):
        return 0.0 * x + np.array([2.0, 0.0, 0.0], "float32")

    def steep(x):  # its slope at 0 is infinite
        return ops.sqrt(x * 0.0) + np.array([2.0, 0.0, 0.0], "float32")

    for logits_fn in (constant, steep):
        attack = FAB(Linf(0.1), steps=3)
        x_adv, distance = _closest(attack, logits_fn, x, y)
        np.testing.assert_array_equal(distance, [np.inf, np.inf])
        result = _attacked(attack, logits_fn, x, y)
        assert np.all(np.isfinite(x_adv)) and np.all(np.isfinite(result))
        assert np.abs(result - x).max() <= 0.1 + 1e-6


def test_misclassified_points_are_their_own_closest():
    logits_fn, x, y, *_ = _linear(3)
    y = (y + 1) % 3
    wrong = _wrong(logits_fn, x, y)
    x_adv, distance = _closest(FAB(L2(0.1), steps=2), logits_fn, x, y)
    np.testing.assert_array_equal(distance[wrong], 0.0)
    np.testing.assert_array_equal(x_adv[wrong], x[wrong])
    assert wrong.sum() >= 10 and np.all(distance[~wrong] > 0)


@NORMS
def test_of_epsilon_zero_the_input_is_returned(norm, digits_like):
    logits_fn, x, y = digits_like
    for ball in (norm(0.0), norm(np.zeros(10))):
        attack, keys = (
            FAB(ball, steps=1, restarts=2, target_classes=1),
            noise.keys(0, len(x)),
        )
        for number in (0, 1):
            result = attack.run(logits_fn, to_tensor(x), y, keys, number)
            np.testing.assert_array_equal(to_numpy(result), x)


def test_config_keeps_the_kinds_of_targets():
    for targets in (3, "all", None):
        attack = FAB(L2(0.5), target_classes=targets, alpha_max=0.2)
        config = keras.saving.serialize_keras_object(attack)
        assert keras.saving.deserialize_keras_object(config) == attack
