"""PGD: the vectors of the method notes, restarts, freezing, config."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_mpat import attacks, backend, noise
from keras_mpat.attacks.attack import Goal
from keras_mpat.objectives import CrossEntropy
from keras_mpat.threat_models import L2, Linf

PGD = attacks.PGD
WEIGHTS = np.array([[1, -2, 0.5], [-1, 1, 0.25]], "float32")
X = np.array([[0.5, 0.02, 0.99]], "float32")
TRAJECTORY = [
    [0.6, 0.0, 1.0],
    [0.56, 0.04, 0.96],
    [0.52, 0.08, 0.92],
    [0.48, 0.12, 0.89],
    [0.44, 0.12, 0.89],
    [0.4, 0.12, 0.89],
]


class From(Linf):
    """A ball whose random points are one given point."""

    def starting_at(self, start):
        # Frozen: the test injects past the dataclass.
        object.__setattr__(self, "start", ops.convert_to_tensor(start))
        return self

    def sample(self, x, keys):
        return self.project(self.start, x)


def linear(x):
    return ops.matmul(x, WEIGHTS.T)


def _numpy(tensor):
    return ops.convert_to_numpy(tensor)


def _injected():
    return From(0.1).starting_at(X + np.array([[0.1, -0.1, 0.05]], "float32"))


def test_gradient_is_the_one_of_the_notes():
    goal = Goal(linear, X, np.array([0]), noise.keys(0, 1), CrossEntropy())
    gradient, values, _ = backend.input_gradient(goal, ops.convert_to_tensor(X))
    np.testing.assert_allclose(
        _numpy(gradient), [[-0.46741271, 0.70111907, -0.05842659]], rtol=1e-5
    )
    logits = WEIGHTS.astype("float64") @ X[0]
    expected = np.log(np.sum(np.exp(logits))) - logits[0]
    np.testing.assert_allclose(_numpy(values), [expected], rtol=1e-6)


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5, 40])
def test_trajectory_from_an_injected_start(steps):
    attack = PGD(_injected(), steps=steps, step_size=0.04)
    result = attack(linear, X, np.array([0]), seed=0)
    np.testing.assert_allclose(_numpy(result)[0], TRAJECTORY[min(steps, 5)], atol=1e-6)


def test_loop_in_the_graph_takes_the_same_trajectory():
    attack = PGD(_injected(), steps=3, step_size=0.04)
    compiled = backend.function(lambda x: attack(linear, x, np.array([0]), 0))
    np.testing.assert_allclose(
        _numpy(compiled(ops.convert_to_tensor(X)))[0], TRAJECTORY[3], atol=1e-6
    )


def test_without_random_start_the_first_point_is_the_image():
    attack = PGD(Linf(0.1), steps=1, step_size=0.04, random_start=False)
    result = attack(linear, X, np.array([0]), seed=0)
    np.testing.assert_allclose(_numpy(result), [[0.46, 0.06, 0.95]], atol=1e-6)


def test_default_step_is_two_and_a_half_radii_over_the_steps():
    assert PGD(Linf(0.1), steps=5).step_length == pytest.approx(0.05)
    per_feature = PGD(Linf([0.1, 0.0]), steps=5).step_length
    np.testing.assert_allclose(per_feature, [0.05, 0.0], rtol=1e-6)
    assert PGD(Linf("8/255"), step_size="2/255").step_length == pytest.approx(2 / 255)
    grey = PGD(Linf(8, bounds=(0, 255)), step_size="2/255")
    assert grey.step_length == pytest.approx(2.0)


def test_radius_as_a_tensor_may_be_zero():
    # A warm-up scales a compiled attack from zero on.
    def run(x, factor):
        attack = PGD(Linf(0.1), steps=3, step_size=0.04).scaled(factor)
        return attack(linear, x, np.array([0]), 0)

    compiled = backend.function(run)
    x = ops.convert_to_tensor(X)
    still = compiled(x, ops.convert_to_tensor(np.float32(0.0)))
    np.testing.assert_array_equal(_numpy(still), X)
    moved = compiled(x, ops.convert_to_tensor(np.float32(0.5)))
    np.testing.assert_allclose(np.abs(_numpy(moved) - X).max(), 0.05, atol=1e-6)


@pytest.mark.skipif(backend.NAME != "tensorflow", reason="tf.function input signature")
@pytest.mark.parametrize("ball", [Linf(0.1), L2(0.1)])
def test_batch_size_may_be_unknown_in_the_graph(ball):
    import tensorflow as tf

    attack = PGD(ball, steps=3, restarts=3, freeze=True, target=attacks.RandomLabel())

    @tf.function(
        input_signature=[
            tf.TensorSpec((None, 3), "float32"),
            tf.TensorSpec((None,), "int32"),
        ]
    )
    def compiled(x, y):
        return attack(linear, x, y, 4)

    for count in (2, 5):
        x = np.repeat(X, count, axis=0)
        y = np.zeros(count, "int32")
        np.testing.assert_allclose(
            _numpy(compiled(x, y)), _numpy(attack(linear, x, y, 4)), atol=1e-6
        )


@pytest.mark.parametrize("norm", [Linf, L2])
def test_inputs_may_have_any_rank(norm):
    x = np.full((2, 2, 1, 2, 3), 0.5, "float32")

    def logits_fn(x):
        return linear(ops.mean(ops.reshape(x, (2, -1, 3)), axis=1))

    result = _numpy(PGD(norm(0.1), steps=2)(logits_fn, x, np.array([0, 1]), 0))
    assert result.shape == x.shape and np.abs(result - x).max() > 0.01


# Restarts


class TwoStarts(Linf):
    """Run 0 starts at `first`, run 1 at `second`; the inputs are their own logits."""

    def injected(self, keys, first, second):
        object.__setattr__(self, "starts", (keys, first, second))
        return self

    def sample(self, x, keys):
        base, first, second = self.starts
        zeroth = keys[:, :1] == noise.fold(base, 0)[:, :1]
        oneth = keys[:, :1] == noise.fold(base, 1)[:, :1]
        point = ops.where(oneth, second, ops.full_like(second, np.nan))
        return ops.where(zeroth, first, point)


# Label 0. "fooled" has a lower cross-entropy (0.94) than "unsure" (1.10).
FOOLED, UNSURE = [1.0, 1.1, -3.0], [0.01, 0.0, 0.0]
WORSE, BETTER, SAFE = [0.0, 5.0, 0.0], [0.0, 2.0, 0.0], [5.0, 0.0, 0.0]


@pytest.mark.parametrize("steps", [1, 20])  # unrolled, and as a loop in the graph
def test_restarts_keep_the_worst_case_of_each_example(steps):
    first = np.array([FOOLED, UNSURE, BETTER, UNSURE, WORSE], "float32")
    second = np.array([UNSURE, FOOLED, WORSE, SAFE, BETTER], "float32")
    expected = np.array([FOOLED, FOOLED, WORSE, UNSURE, WORSE])
    y, keys = np.zeros(5, "int32"), noise.keys(3, 5)
    values = _numpy(CrossEntropy()(y[:2], ops.convert_to_tensor(first[:2])))
    assert values[0] < values[1]  # else the first two examples would show nothing
    ball = TwoStarts(9, bounds=(-10, 10)).injected(keys, first, second)
    attack = PGD(ball, steps=steps, step_size=1e-6, restarts=2)
    result = attack(lambda x: x, np.zeros((5, 3), "float32"), y, keys)
    np.testing.assert_allclose(_numpy(result), expected, atol=1e-4)


def test_one_of_three_restarts_is_never_worse_than_the_single_run():
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(6, 3)).astype("float32")

    def logits_fn(x):
        return ops.matmul(ops.sin(8 * x), weights)

    x, y = rng.uniform(size=(30, 6)).astype("float32"), rng.integers(3, size=30)
    keys = noise.keys(0, 30)

    def values(restarts):
        x_adv = PGD(Linf(0.2), steps=2, restarts=restarts)(logits_fn, x, y, keys)
        logits = logits_fn(x_adv)
        fooled = _numpy(CrossEntropy().fooled(y, logits))
        return _numpy(CrossEntropy()(y, logits)), fooled

    one, many = values(1), values(3)
    assert np.all(one[1] <= many[1])
    same = one[1] == many[1]
    assert np.all(one[0][same] <= many[0][same] + 1e-6)
    assert np.sum(many[0] > one[0] + 1e-3) >= 5


# Freezing


def test_frozen_examples_stop_where_they_are_fooled():
    x = np.array([[0.0, 1.0], [1.0, 0.0], [3.0, 0.0]], "float32")  # own logits
    ball = Linf(5, bounds=(-10, 10))

    def run(freeze):
        attack = PGD(ball, steps=4, step_size=0.4, random_start=False, freeze=freeze)
        return _numpy(attack(lambda x: x, x, np.zeros(3, "int32"), 0))

    moved = 1.6 * np.array([[-1, 1]] * 3)
    np.testing.assert_allclose(run(False), x + moved, atol=1e-5)
    frozen = run(True)
    np.testing.assert_array_equal(frozen[0], x[0])  # wrong from the start
    np.testing.assert_allclose(frozen[1], x[1] + 0.8 * moved[1] / 1.6, atol=1e-5)
    np.testing.assert_allclose(frozen[2], x[2] + moved[2], atol=1e-5)


def test_attack_survives_a_keras_file_as_part_of_a_config(tmp_path):
    attack = PGD(L2([0.1, 0.2, 0.3]), steps=3, target=attacks.NextLabel())
    text = keras.saving.serialize_keras_object(attack)
    again = keras.saving.deserialize_keras_object(text)
    assert again == attack and len({again, attack}) == 1
    y = np.array([1])
    np.testing.assert_array_equal(
        _numpy(again(linear, X, y, 5)), _numpy(attack(linear, X, y, 5))
    )
