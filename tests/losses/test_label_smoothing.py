"""Label smoothing: published targets, and the term that makes smoothed of plain CE."""

import numpy as np
import pytest
from keras import ops

from keras_mpat.losses.label_smoothing import smoothed, smoothing_term
from tests.oracles import cross_entropy


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


@pytest.mark.parametrize(
    ("classes", "own", "other"),
    [(10, 0.5, 0.05555556), (100, 0.5, 0.00505051), (3, 0.5, 0.25)],
)
def test_published_targets(classes, own, other):
    targets = numpy(smoothed(np.array([1, 0]), classes, 0.5))
    expected = np.full((2, classes), other)
    expected[0, 1] = expected[1, 0] = own
    np.testing.assert_allclose(targets, expected, rtol=1e-6)
    np.testing.assert_allclose(targets.sum(axis=1), 1.0, rtol=1e-6)


@pytest.mark.parametrize(("classes", "smoothing"), [(2, 0.1), (3, 0.5), (10, 0.5)])
def test_the_term_is_what_smoothing_adds(classes, smoothing):
    rng = np.random.default_rng(classes)
    logits, labels = 3 * rng.normal(size=(6, classes)), np.arange(6) % classes
    targets = numpy(smoothed(labels, classes, smoothing))
    added = [
        sum(t * cross_entropy(row, c) for c, t in enumerate(target))
        - cross_entropy(row, label)
        for row, target, label in zip(logits, targets, labels, strict=True)
    ]
    found = numpy(smoothing_term(labels, logits, smoothing))
    np.testing.assert_allclose(found, added, rtol=1e-4, atol=1e-5)


def test_a_value_by_hand():
    """methods.md, section 4.2: CE 1.05526967 against [.5, .25, .25]."""
    logits = np.array([[1, 0.5, 0]])
    term = float(smoothing_term(np.array([0]), logits, 0.5)[0])
    assert cross_entropy(logits[0], 0) + term == pytest.approx(1.05526967, rel=1e-5)


def test_no_smoothing_adds_nothing():
    logits = np.array([[6e4, -6e4]], "float16")
    np.testing.assert_array_equal(numpy(smoothing_term(np.array([1]), logits, 0)), 0)
