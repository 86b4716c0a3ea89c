"""Every layer with bounds: they hold for all inputs of a box, and are attained."""

import functools

import numpy as np
import pytest
from keras import ops

from keras_mpat import backend
from keras_mpat.evaluation.certification.network import Network
from keras_mpat.evaluation.certification.rounding import Box
from tests.contracts.certified_layers_table import ATTAINED, CONTAINED, model

ROWS = ATTAINED | CONTAINED
if backend.NAME != "tensorflow":  # where backends differ, and what combines
    ROWS = {name: row for name, row in ROWS.items() if "*" in name}
EACH = pytest.mark.parametrize("name", ROWS)
_SAMPLES = 10_000
_LABEL = 1


def intervals(shape):
    """(low, high), (1, ...): of all lengths, some are points."""
    rng = np.random.default_rng(0)
    middle = rng.uniform(-1, 1, size=(1, *shape))
    radius = rng.uniform(0, 0.6, size=(1, *shape)) * (rng.uniform(size=shape) > 0.1)
    return (middle - radius).astype("float32"), (middle + radius).astype("float32")


def samples(low, high):
    """Points of the box: half of them corners, half of them uniform."""
    rng = np.random.default_rng(1)
    share = rng.uniform(size=(_SAMPLES, *low.shape[1:]))
    share[::2] = np.round(share[::2])
    return np.clip(low + share * (high - low), low, high).astype("float32")


@functools.cache
def nets(name):
    return model(ROWS[name])


@functools.cache
def bounds(name):
    """[low, high] of the row's outputs, and margins, plain and relaxed.

    For two examples: the intervals, and one point of them.
    """
    part, classifier = nets(name)
    network, features = Network(classifier), Network(part)

    def everything(low, high, y):
        last = features.boxes(Box(low, high))[-1]
        boxes = network.boxes(Box(low, high), refined=True)
        margins = [network.margins(boxes, y, relaxed=relaxed) for relaxed in (0, 1)]
        return last.low, last.high, *margins

    low, high = intervals(ROWS[name][0])
    low, high = np.concatenate([low, low]), np.concatenate([high, low])
    given = map(ops.convert_to_tensor, (low, high, np.array([_LABEL] * 2)))
    if backend.NAME == "jax":  # elsewhere tracing takes longer than the work
        everything = backend.function(everything)
    return [ops.convert_to_numpy(x) for x in everything(*given)]


def run(net, x):
    return ops.convert_to_numpy(net(ops.convert_to_tensor(x), training=False))


@pytest.mark.one_backend
@EACH
def test_no_input_of_the_box_leaves_the_bounds(name):
    part, _ = nets(name)
    low, high = intervals(ROWS[name][0])
    least, most, *_ = bounds(name)
    found = run(part, samples(low, high))
    assert np.all(found >= least[0]) and np.all(found <= most[0])
    # Not by being wide: rounding adds next to nothing to a point.
    np.testing.assert_allclose(least[1], run(part, low)[0], atol=1e-3, rtol=1e-4)
    np.testing.assert_allclose(most[1], run(part, low)[0], atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize("name", [name for name in ROWS if name in ATTAINED])
def test_each_bound_is_attained(name):
    part, _ = nets(name)
    low, high = intervals(ROWS[name][0])
    least, most = (array[0].reshape(-1) for array in bounds(name)[:2])
    x = np.repeat(low / 2 + high / 2, len(least), axis=0)
    one = ops.convert_to_tensor(np.eye(len(least)), "float32")

    def each_its_own(z):
        outputs = ops.reshape(part(z), (len(least), -1))
        return ops.sum(one * outputs, axis=-1), outputs

    slope, _, _ = backend.input_gradient(each_its_own, ops.convert_to_tensor(x))
    rises = ops.convert_to_numpy(slope) >= 0
    for bound, corner in (
        (least, np.where(rises, low, high)),
        (most, np.where(rises, high, low)),
    ):
        reached = np.diag(run(part, corner).reshape(len(least), -1))
        np.testing.assert_allclose(reached, bound, atol=1e-4, rtol=1e-4)


@pytest.mark.one_backend
@EACH
def test_margins_hold_and_are_not_loose(name):
    _, classifier = nets(name)
    logits = run(classifier, samples(*intervals(ROWS[name][0])))
    leads = np.delete(logits[:, [_LABEL]] - logits, _LABEL, axis=1)
    plain, relaxed = (array[0] for array in bounds(name)[2:])
    assert plain[_LABEL] == relaxed[_LABEL] == np.inf
    plain, relaxed = np.delete(plain, _LABEL), np.delete(relaxed, _LABEL)
    assert np.all(np.maximum(plain, relaxed) <= leads.min(axis=0))
    width = leads.max(axis=0) - leads.min(axis=0)
    assert np.all(relaxed >= leads.min(axis=0) - 8 * width)
