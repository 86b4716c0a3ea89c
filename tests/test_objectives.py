"""Objectives: the vectors of the method notes, NumPy, targeted forms, label kinds."""

import numpy as np
import pytest
from keras import ops

from keras_mpat import backend, objectives

CrossEntropy, Margin = objectives.CrossEntropy, objectives.Margin


def _values(objective, labels, logits):
    logits = np.asarray(logits, "float32")
    return ops.convert_to_numpy(objective(labels, ops.convert_to_tensor(logits)))


def _gradient(objective, labels, logits):
    logits = ops.convert_to_tensor(np.asarray(logits, "float32"))
    gradient, _, _ = backend.input_gradient(lambda z: (objective(labels, z), z), logits)
    return ops.convert_to_numpy(gradient)


def _numpy_cross_entropy(labels, logits):
    logits = np.asarray(logits, "float64")
    return [
        np.log(np.sum(np.exp(row - row.max()))) + row.max() - row[label]
        for label, row in zip(labels, logits, strict=True)
    ]


@pytest.mark.parametrize(
    ("logits", "kappa", "value"),
    [
        ([2, 5, 1, 4], 0.0, -1.0),
        ([2, 5, 1, 4], 50.0, -51.0),
        ([2, 3, 1, 4], 0.0, 0.0),
        ([2, 3, 1, 4], 50.0, -49.0),
        ([2, 3, 1, 54], 50.0, 0.0),
    ],
)
def test_margin_has_the_values_of_the_notes(logits, kappa, value):
    np.testing.assert_allclose(_values(Margin(kappa), [1], [logits]), [value])


def test_margin_is_flat_once_fooled_only_without_kappa():
    fooled = [[2, 3, 1, 4]]
    np.testing.assert_array_equal(_gradient(Margin(0.0), [1], fooled), np.zeros((1, 4)))
    np.testing.assert_allclose(_gradient(Margin(50.0), [1], fooled), [[0, -1, 0, 1]])


def test_targeted_margin_is_the_lead_of_the_target():
    logits = [[2, 5, 1, 4], [2, 5, 1, 9]]
    targeted = Margin(2.0).targeted
    np.testing.assert_allclose(_values(targeted, [3, 3], logits), [-3.0, 0.0])
    np.testing.assert_allclose(
        _gradient(targeted, [3, 3], logits), [[0, -1, 0, 1], [0, 0, 0, 0]]
    )


@pytest.mark.parametrize("low", [-1e5, -1e9])
def test_margin_masks_the_label_also_among_very_low_logits(low):
    np.testing.assert_allclose(
        _values(Margin(0.0), [0], [[low / 2, low, low]]), [low / 2], rtol=1e-6
    )


def test_cross_entropy_equals_numpy_and_its_targeted_form_is_the_negative():
    logits = np.random.default_rng(0).normal(scale=4, size=(6, 5))
    labels = np.array([0, 1, 2, 3, 4, 0])
    expected = _numpy_cross_entropy(labels, logits)
    np.testing.assert_allclose(_values(CrossEntropy(), labels, logits), expected, 1e-5)
    targeted = _values(CrossEntropy().targeted, labels, logits)
    np.testing.assert_allclose(targeted, np.negative(expected), 1e-5)


def test_cross_entropy_of_large_logits_is_finite():
    values = _values(CrossEntropy(), [0, 1], [[1000, 0, -1000], [1000, 0, -1000]])
    np.testing.assert_allclose(values, [0.0, 1000.0])


@pytest.mark.parametrize("objective", [CrossEntropy(), Margin(1.0)])
@pytest.mark.parametrize("kind", ["column", "one-hot", "float", "float column", "int8"])
def test_every_kind_of_label_gives_the_same_values(objective, kind):
    logits = np.random.default_rng(1).normal(size=(4, 3))
    labels = np.array([2, 0, 1, 1])
    same = {
        "column": labels[:, None],
        "one-hot": np.eye(3, dtype="float32")[labels],
        "float": labels.astype("float32"),
        "float column": labels[:, None].astype("float64"),
        "int8": labels.astype("int8"),
    }[kind]
    expected = _values(objective, labels, logits)
    assert expected.shape == (4,) and len(set(expected.tolist())) > 1
    np.testing.assert_array_equal(_values(objective, same, logits), expected)
    np.testing.assert_array_equal(
        _values(objective.targeted, same, logits),
        _values(objective.targeted, labels, logits),
    )


def test_class_ids_are_int32_vectors_also_for_two_classes():
    for labels in ([1, 0], [[1], [0]], [[0, 1], [1, 0]], [[0.0, 1.0], [1.0, 0.0]]):
        ids = ops.convert_to_numpy(objectives.class_ids(np.array(labels), 2))
        assert ids.dtype == np.int32 and ids.tolist() == [1, 0]


def test_fooled_compares_the_largest_logit_with_the_label():
    logits = [[2, 5, 1], [2, 5, 1], [9, 5, 1]]
    flags = _values(CrossEntropy().fooled, [1, 0, 1], logits)
    assert flags.tolist() == [False, True, True]


@pytest.mark.parametrize("kappa", [-1.0, float("nan")])
def test_bad_kappa_is_named(kappa):
    with pytest.raises(
        ValueError, match=r"`kappa` must be >= 0 .*Received: kappa=.*usual value is 50"
    ):
        Margin(kappa)


def test_cross_entropy_of_a_confident_net_keeps_the_gradient_of_its_own_class():
    logits = ops.convert_to_tensor([[40.0, 1.0, 2.0]])

    def goal(z):
        return CrossEntropy()([0], z), z

    gradient, values, _ = backend.input_gradient(goal, logits)
    others = np.exp(np.array([1.0, 2.0]) - 40.0)
    expected = [[-others.sum(), *others]]
    np.testing.assert_allclose(ops.convert_to_numpy(gradient), expected, rtol=1e-4)
    np.testing.assert_allclose(float(values[0]), others.sum(), rtol=1e-4)
