"""APGD against a float64 oracle of its whole path, and what it returns."""

from dataclasses import dataclass

import keras
import numpy as np
import pytest
from keras import ops

from keras_mpat import backend, noise
from keras_mpat.attacks import APGD
from keras_mpat.attacks.attack import Goal
from keras_mpat.objectives import DLR, CrossEntropy, Margin
from keras_mpat.threat_models import L2, Linf
from tests.attacks import apgd_oracle as oracle

WEIGHTS = oracle.net(seed=1)
COUNT, FEATURES, CLASSES = 16, 12, 5
RNG = np.random.default_rng(1)
X = RNG.uniform(size=(COUNT, FEATURES))
X[:2] = np.round(X[:2])  # two at the corners of the box
Y = np.array([int(np.argmax(oracle.logits(WEIGHTS, x))) for x in X])
TARGET = (Y + 2) % CLASSES
Y[3] = (Y[3] + 1) % CLASSES  # wrong from the start
BALLS = {"linf": Linf(0.2), "l2": L2(0.3)}
OBJECTIVES = {
    "ce": (CrossEntropy(), oracle.cross_entropy),
    "margin": (Margin(kappa=None), oracle.margin),
    "dlr": (DLR(), oracle.dlr),
}
NORM = pytest.mark.parametrize("norm", ["linf", "l2"])


def _numpy(tensor):
    return ops.convert_to_numpy(tensor)


def _logits_fn(x):
    first, bias, second = (
        part.astype(keras.backend.standardize_dtype(x.dtype)) for part in WEIGHTS
    )
    return ops.matmul(ops.tanh(ops.matmul(x, first.T) + bias), second.T)


def _starts(norm):
    noisy = X + 0.1 * np.random.default_rng(2).normal(size=X.shape)
    return _numpy(BALLS[norm].project(ops.convert_to_tensor(noisy, "float32"), X))


class Exact(Goal):
    """A goal in float64, toward a class if there is one."""

    def __init__(self, objective, toward=None):
        super().__init__(_logits_fn, X, Y, None, objective)
        self._toward = toward

    def __call__(self, x):
        z = self._logits_fn(x)
        if self._toward is None:
            return self._objective(self._labels, z), z
        return self._objective.toward(self._labels, self._toward, z), z


class Trace:
    """Records the states of a loop, of which one step is compiled."""

    def __init__(self, monkeypatch):
        self.states = []
        monkeypatch.setattr(backend, "loop", self._loop)

    def _loop(self, count, body, state, *_, **__):
        self.states.append(state)
        step = backend.function(body)
        for i in range(count):
            state = step(ops.convert_to_tensor(i, "int32"), state)
            self.states.append(state)
        return state

    def of(self, read):
        """NumPy (states, ...) of what `read` takes from a state."""
        return np.array([_numpy(read(state)) for state in self.states])


def _oracle(norm, kind, starts, *, steps=100, compat=True):
    """Points, values, sizes and answers of all examples, each (B, ...)."""

    def function(i):
        if kind == "toward":
            return lambda z, y: oracle.dlr_toward(z, y, int(TARGET[i]))
        return OBJECTIVES[kind][1]

    settings = {"epsilon": BALLS[norm].radius, "norm": norm, "steps": steps}
    runs = [
        oracle.apgd(WEIGHTS, function(i), x, y, start, compat=compat, **settings)
        for i, (x, y, start) in enumerate(zip(X, Y, starts, strict=True))
    ]
    return list(zip(*runs, strict=True))


def _attack(norm, kind, **fields):
    objective = DLR() if kind == "toward" else OBJECTIVES[kind][0]
    return APGD(BALLS[norm], objective=objective, **fields)


# The path


@pytest.mark.skipif(backend.NAME == "jax", reason="JAX computes in float32")
@NORM
@pytest.mark.parametrize("kind", ["ce", "margin", "dlr", "toward"])
def test_path_of_a_hundred_steps_equals_the_oracle(norm, kind, monkeypatch):
    starts = _starts(norm).astype("float64")
    points, values, sizes, answers = map(np.array, _oracle(norm, kind, starts))
    attack, trace = _attack(norm, kind, compat=True), Trace(monkeypatch)
    goal = Exact(attack.objective, TARGET if kind == "toward" else None)
    x, start = (ops.convert_to_tensor(part, "float64") for part in (X, starts))
    answer = _numpy(attack.ascend(goal, x, start))
    path = trace.of(lambda state: state.x).swapaxes(0, 1)
    reached = trace.of(lambda state: state.step.last)[1:].T
    size = trace.of(lambda state: state.step.size)[1:].T * attack.threat_model.radius
    assert path.shape == (COUNT, 101, FEATURES) and path.dtype == np.float64
    sloped = _sloped(kind, values)
    assert sloped.sum() >= 6
    # Paths meet maxima where float64 leaves 1e-16 of the value and 1e-8 of the place.
    np.testing.assert_allclose(path[sloped], points[sloped], atol=1e-6)
    np.testing.assert_allclose(reached[sloped], values[sloped, 1:], atol=1e-9)
    best = np.maximum.accumulate(values, axis=1)[:, 1:]
    climbing = sloped[:, None] & (best < best[:, -1:] - 1e-10)
    assert climbing.sum() > 100
    np.testing.assert_allclose(size[climbing], sizes[climbing], rtol=1e-12)
    np.testing.assert_allclose(answer[sloped], answers[sloped], atol=1e-6)


def _sloped(kind, values):
    """Which examples always have a gradient.

    DLR is flat, 1, where the true class has the third largest logit: there its gradient
    and so the direction of a step are rounding errors.
    """
    flat = np.abs(values - 1) < 1e-6
    return ~flat.any(axis=1) if kind == "dlr" else np.ones(len(values), "bool")


@NORM
@pytest.mark.parametrize("kind", ["ce", "margin", "toward"])
@pytest.mark.parametrize("compat", [False, True])
def test_results_in_float32_are_as_bad_as_the_oracle(norm, kind, compat):
    starts = _starts(norm)
    answers = _oracle(norm, kind, starts.astype("float64"), steps=20, compat=compat)[3]
    attack = _attack(norm, kind, steps=20, compat=compat)
    x, start = (ops.convert_to_tensor(part, "float32") for part in (X, starts))
    goal = Exact(attack.objective, TARGET if kind == "toward" else None)
    result = _numpy(attack.ascend(goal, x, start))
    leads, expected = (
        np.array([_lead(x, y) for x, y in zip(points, Y, strict=True)])
        for points in (result.astype("float64"), answers)
    )
    assert 3 <= np.sum(expected > 0) < COUNT
    np.testing.assert_array_equal(leads > 0, expected > 0)
    assert np.mean(np.abs(leads - expected) < 1e-3) >= 0.9, leads - expected


def _lead(x, y):
    return oracle.margin(oracle.logits(WEIGHTS, x), int(y))[0]


def test_rest_and_compat_matter_in_that_test():
    starts = _starts("linf").astype("float64")
    resting, going = (
        np.array(_oracle("linf", "ce", starts, steps=20, compat=compat)[3])
        for compat in (False, True)
    )
    assert np.abs(resting - going).max() > 0.05


@NORM
def test_best_value_never_falls_and_sizes_are_halvings(norm, monkeypatch):
    trace = Trace(monkeypatch)
    attack = _attack(norm, "dlr", steps=60)
    result = attack(_logits_fn, X, Y, seed=3)
    best = trace.of(lambda state: state.step.best)
    assert np.all(np.diff(best, axis=0) >= 0) and np.mean(best[-1] > best[0]) > 0.8
    halvings = -np.log2(trace.of(lambda state: state.step.size) / 2.0)
    assert np.all(halvings == np.round(halvings)) and halvings.max() >= 2
    assert np.all(np.diff(halvings, axis=0) >= 0)
    fooled = _numpy(trace.states[-1].lead) > -np.inf
    assert 3 < fooled.sum() < COUNT
    logits = _logits_fn(result)
    np.testing.assert_array_equal(_numpy(DLR().fooled(Y, logits)), fooled)
    values = _numpy(DLR()(Y, logits))
    np.testing.assert_allclose(values[~fooled], best[-1][~fooled], rtol=1e-5)


# What is returned


class From(Linf):
    """Starts at a given point."""

    def starting(self, point):
        object.__setattr__(self, "point", np.array(point, "float32"))
        return self

    def surface(self, x, keys):
        return ops.convert_to_tensor(self.point)


def _own(x):
    return x


def _leads(x):
    x = _numpy(x)
    return np.delete(x, 0, axis=-1).max(-1) - x[:, 0]


BOX = {"bounds": (-10, 10)}


def test_fooled_example_goes_on_while_the_lead_grows_and_then_rests(monkeypatch):
    # Label 0; the inputs are the logits. Each step moves by the diameter of the ball.
    trace = Trace(monkeypatch)
    x = np.array([[0.5, 0.0, 0.0], [3.0, 0.0, 0.0]], "float32")
    ball = From(1, **BOX).starting(x + [1.0, -1.0, -1.0])
    result = APGD(ball, steps=6)(_own, x, np.array([0, 0]))
    np.testing.assert_allclose(_numpy(result)[0], [-0.5, 1.0, 1.0], atol=1e-6)
    np.testing.assert_allclose(_numpy(result)[1], [2.0, 1.0, 1.0], atol=1e-6)
    resting = trace.of(lambda state: state.resting)
    assert resting[-1].tolist() == [True, False]
    first = int(np.argmax(resting[:, 0]))
    lead = trace.of(lambda state: state.lead)[:, 0]
    fooled_at = int(np.argmax(lead > -np.inf))
    assert first > fooled_at  # it had a chance to be fooled by more
    path = trace.of(lambda state: state.x)[:, 0]
    assert np.all(path[first:] == path[first])


def test_a_start_that_fools_is_kept_when_no_step_leads_further():
    # The objective points away from the wrong class, so every step loses the lead.
    @dataclass(frozen=True, eq=False)
    class Backward(CrossEntropy):
        def __call__(self, targets, logits):
            return -super().__call__(targets, logits)

    x = np.zeros((1, 3), "float32")
    start = np.array([[-0.5, 0.5, 0.0]])
    ball = From(1, **BOX).starting(start)
    for compat in (False, True):
        attack = APGD(ball, steps=20, objective=Backward(), compat=compat)
        np.testing.assert_allclose(_numpy(attack(_own, x, np.array([0]))), start)


def test_the_point_of_the_largest_lead_is_returned_and_by_compat_the_last():
    # Two wrong classes: the objective is the slope of class 2, the lead is class 1's.
    @dataclass(frozen=True, eq=False)
    class Second(CrossEntropy):
        def __call__(self, targets, logits):
            return logits[:, 2] - logits[:, 1]

    x = np.array([[0.0, 0.0, -5.0]], "float32")
    ball = From(1, **BOX).starting([[-1.0, 1.0, -6.0]])
    expected = {False: 2.0, True: 0.0}
    for compat, lead in expected.items():
        attack = APGD(ball, steps=1, objective=Second(), compat=compat)
        result = attack(lambda z: z + np.array([0, 1e-3, 0], "float32"), x, [0])
        assert float(_leads(result)[0]) == pytest.approx(lead, abs=1e-6)


def test_undefined_logits_fool_and_an_undefined_gradient_moves_nothing():
    def broken(x):  # the class of the largest input; undefined at one end of the ball
        return ops.where(x[:, :1] < 0.45, float("nan"), x)

    x = np.array([[0.5, 0.1, 0.1]], "float32")
    ball = From(0.1).starting([[0.5, 0.1, 0.1]])
    result = _numpy(APGD(ball, steps=5)(broken, x, np.array([0])))
    assert np.all(np.isfinite(result)) and result[0, 0] < 0.45

    def rooted(x):
        return ops.stack([ops.sqrt(x[:, 0] - x[:, 0]) + 3.0, x[:, 1]], axis=-1)

    result = _numpy(APGD(Linf(0.1), steps=3)(rooted, x, np.array([0])))
    assert np.all(np.isfinite(result))


def test_compiled_loop_equals_eager_mode():
    attack, keys = _attack("linf", "ce", steps=20), noise.keys(4, COUNT)
    x, y = ops.convert_to_tensor(X, "float32"), ops.convert_to_tensor(Y)
    compiled = backend.function(lambda x, y, keys: attack(_logits_fn, x, y, keys))
    result, eager = _numpy(compiled(x, y, keys)), _numpy(attack(_logits_fn, x, y, keys))
    assert np.mean(np.abs(result - eager).max(-1) < 1e-4) > 0.9


def test_a_loop_ends_when_all_rest():
    def logits_fn(x):
        calls.append(None)
        return x

    calls: list = []
    x = np.array([[0.1, 0.0], [0.3, 0.0]], "float32")
    attack = APGD(From(1, **BOX).starting(x), steps=40)
    result = attack(logits_fn, x, np.array([0, 0]))
    np.testing.assert_allclose(_leads(result), [1.9, 1.7], atol=1e-6)
    if backend.NAME == "tensorflow":  # JAX traces the loop once
        assert len(calls) < 10


# Targets


@dataclass(frozen=True, eq=False)
class Recorder(Margin):
    """Remembers the classes that it was asked for."""

    def toward(self, labels, classes, logits):
        SEEN.append(_numpy(classes).tolist())
        return super().toward(labels, classes, logits)


SEEN: list = []


def test_run_r_aims_at_the_wrong_class_of_rank_r():
    x = np.array([[0.9, 0.1, 0.5, 0.7], [0.2, 0.4, 0.8, 0.6]], "float32")
    y = np.array([0, 2])
    attack = APGD(
        Linf(0.01), steps=1, restarts=2, target_classes=9, objective=Recorder(None)
    )
    keys = noise.keys(0, 2)
    aims, results = [], []
    for number in range(attack.runs(4)):
        SEEN.clear()
        x_adv = attack.run(_own, ops.convert_to_tensor(x), y, keys, number)
        results.append(_numpy(x_adv))
        aims.append(SEEN[0])
        assert all(classes == SEEN[0] for classes in SEEN)
    order = [[3, 3], [2, 1], [1, 0]]
    assert aims == order + order
    assert not np.array_equal(results[0], results[3])  # another start
    # Toward class 3, no other wrong class is pushed.
    np.testing.assert_allclose(results[0][0] - x[0], [-0.01, 0, 0, 0.01], atol=0.011)
    assert results[0][0][3] - x[0][3] == pytest.approx(0.01, abs=1e-6)


@pytest.mark.parametrize(
    ("target_classes", "num_classes", "runs"),
    [(None, 10, 2), (9, 10, 18), (9, 4, 6), (3, 10, 6), ("all", 12, 22), (9, 2, 2)],
)
def test_runs_are_classes_times_restarts(target_classes, num_classes, runs):
    attack = APGD(Linf(0.1), restarts=2, target_classes=target_classes)
    assert attack.runs(num_classes) == runs


def test_number_of_a_run_may_be_a_tensor():
    attack = APGD(Linf(0.1), steps=5, target_classes="all", objective=DLR())
    keys, x = noise.keys(0, COUNT), ops.convert_to_tensor(X, "float32")
    run = backend.function(lambda r: attack.run(_logits_fn, x, Y, keys, r))
    results = [_numpy(run(ops.convert_to_tensor(r))) for r in range(4)]
    for number, result in enumerate(results):
        same = _numpy(attack.run(_logits_fn, x, Y, keys, number))
        assert np.mean(np.abs(result - same) < 1e-5) > 0.95
    assert np.abs(results[0] - results[1]).max() > 0.1


def test_any_wrong_class_is_a_success():
    # Class 1 is in reach, class 2 is not; the run toward class 2 meets class 1.
    def logits_fn(x):
        slope = ops.concatenate([0.0 * x, 4.0 * x, x], axis=-1)
        return slope + np.array([2.2, 0.0, -9.0], "float32")

    x, y = np.array([[0.5]], "float32"), np.array([0])
    attack = APGD(Linf(0.1), steps=5, target_classes="all", objective=Margin(None))
    x_adv = attack.run(logits_fn, ops.convert_to_tensor(x), y, noise.keys(0, 1), 1)
    assert _numpy(ops.argmax(logits_fn(x_adv), -1)).tolist() == [1]


def test_a_wrong_class_that_a_run_leaves_behind_is_a_success():
    # The start is of class 1; toward class 2, which is out of reach, no longer.
    def logits_fn(x):
        slope = ops.concatenate([0.0 * x, -4.0 * x, x], axis=-1)
        return slope + np.array([0.0, 1.8, -9.0], "float32")

    ball = From(0.1).starting([[0.4]])
    attack = APGD(ball, steps=5, target_classes="all", objective=Margin(None))
    x, y = ops.convert_to_tensor([[0.5]], "float32"), np.array([0])
    x_adv = attack.run(logits_fn, x, y, noise.keys(0, 1), 1)
    np.testing.assert_allclose(_numpy(x_adv), [[0.4]], atol=1e-6)


# Classifiers that are random


def test_gradients_are_averaged_over_the_forward_passes():
    slopes = np.array([[3.0, -1.0], [-1.0, 3.0], [-1.0, -1.0]], "float32")
    calls = []

    def logits_fn(x):
        calls.append(None)
        score = ops.sum(x * slopes[(len(calls) - 1) % 3], axis=-1)
        return ops.stack([0.0 * score, score - 9.0], axis=-1)

    x, keys = np.full((2, 2), 0.5, "float32"), noise.keys(0, 2)
    attack = APGD(Linf(0.1), steps=4, eot_iterations=3, objective=Margin(None))
    result = _numpy(attack.run(logits_fn, ops.convert_to_tensor(x), [0, 0], keys, 0))
    np.testing.assert_allclose(result, x + 0.1, atol=1e-6)  # the mean slope is (1, 1)/3
    assert len(calls) == 3 * 5
    alone = APGD(Linf(0.1), steps=4, objective=Margin(None))
    calls.clear()
    first = alone.run(lambda z: logits_fn(z)[:, :], x, [0, 0], keys, 0)
    assert not np.allclose(_numpy(first), result)


def test_average_of_equal_passes_is_one_pass():
    keys = noise.keys(0, COUNT)
    one, many = (
        _numpy(APGD(Linf(0.1), steps=5, eot_iterations=n)(_logits_fn, X, Y, keys))
        for n in (1, 4)
    )
    assert np.mean(np.abs(one - many).max(-1) < 1e-5) > 0.9
