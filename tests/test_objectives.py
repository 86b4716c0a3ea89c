"""Objectives: the vectors of the method notes, NumPy, targeted forms, label kinds."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_mpat import backend, objectives

CrossEntropy, Margin = objectives.CrossEntropy, objectives.Margin
DLR = objectives.DLR


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


# Without a clip


def test_margin_without_kappa_is_exact_and_never_flat():
    logits = [[2.0, 5.0, 1.0, 4.0], [2, 3, 1, 4e4], [1.0, 1.0 + 2**-23, 0.0, 0.0]]
    lead = [-1.0, 4e4 - 3, 2.0**-23]
    labels = [1, 1, 0]
    np.testing.assert_array_equal(
        _values(Margin(None), labels, logits), np.float32(lead)
    )
    np.testing.assert_array_equal(
        _gradient(Margin(None), [1], [[2, 3, 1, 4e4]]), [[0, -1, 0, 1]]
    )
    # With 50, the last lead is lost to rounding, which is why there is None.
    assert _values(Margin(50.0), labels, logits)[2] == -50.0
    targeted = _values(Margin(None).targeted, [3, 3, 1], logits)
    np.testing.assert_array_equal(targeted, np.float32([-1.0, 4e4 - 3, 2.0**-23]))


def test_margin_toward_a_class_leaves_the_others_alone():
    def toward(labels, logits):
        return Margin(50.0).toward(labels, [2], logits)

    logits = [[2.0, 5.0, 1.0, 9.0]]
    np.testing.assert_allclose(_values(toward, [1], logits), [-54.0])
    np.testing.assert_allclose(_gradient(toward, [1], logits), [[0, -1, 1, 0]])


def test_cross_entropy_toward_a_class_is_its_targeted_form():
    logits = np.random.default_rng(2).normal(size=(3, 4))
    toward = CrossEntropy().toward
    np.testing.assert_array_equal(
        _values(lambda labels, z: toward(labels, [1, 2, 3], z), [0, 0, 0], logits),
        _values(CrossEntropy().targeted, [1, 2, 3], logits),
    )


# The difference of logits ratio


def _numpy_dlr(labels, logits, classes=None):
    found = []
    for number, (row, label) in enumerate(zip(logits, labels, strict=True)):
        order = sorted(row, reverse=True)
        other = max(np.delete(row, label))
        spread = order[0] - order[2]
        if classes is not None:
            other = row[classes[number]]
            spread = order[0] - (order[2] + order[3]) / 2
        found.append(-(row[label] - other) / (spread + 1e-12))
    return found


def _toward(classes):
    return lambda labels, logits: DLR().toward(labels, classes, logits)


@pytest.mark.parametrize("num_classes", [3, 4, 10])
def test_dlr_equals_numpy_for_right_and_wrong_examples(num_classes):
    rng = np.random.default_rng(num_classes)
    logits = rng.normal(scale=3, size=(40, num_classes))
    labels = rng.integers(num_classes, size=40)
    expected = _numpy_dlr(labels, logits)
    np.testing.assert_allclose(_values(DLR(), labels, logits), expected, rtol=2e-4)
    assert min(expected) < 0 < max(expected)
    np.testing.assert_allclose(
        _values(DLR().targeted, labels, logits), np.negative(expected), rtol=2e-4
    )
    if num_classes > 3:
        classes = (labels + 1 + rng.integers(num_classes - 1, size=40)) % num_classes
        np.testing.assert_allclose(
            _values(_toward(classes), labels, logits),
            _numpy_dlr(labels, logits, classes),
            rtol=2e-4,
        )


def test_dlr_by_hand():
    logits = [[9.0, 1.0, 5.0, 3.0]]
    assert _values(DLR(), [0], logits)[0] == pytest.approx(-4 / 6)
    assert _values(DLR(), [2], logits)[0] == pytest.approx(4 / 6)
    assert _values(_toward([3]), [0], logits)[0] == pytest.approx(-6 / 7)
    assert _values(_toward([0]), [1], logits)[0] == pytest.approx(8 / 7)


@pytest.mark.parametrize("scale", [2.0**-10, 1.0, 2.0**10])
@pytest.mark.parametrize("shift", [-8.0, 0.0, 64.0])
def test_dlr_ignores_scale_and_shift(scale, shift):
    logits = np.random.default_rng(4).integers(-99, 99, size=(20, 6)) / 16
    labels, classes = np.arange(20) % 6, (np.arange(20) + 1) % 6
    for objective in (DLR(), _toward(classes)):
        np.testing.assert_allclose(
            _values(objective, labels, scale * logits + shift),
            _values(objective, labels, logits),
            rtol=1e-6,
        )


@pytest.mark.parametrize("objective", [CrossEntropy(), Margin(None), DLR()])
def test_permuted_classes_have_the_same_value(objective):
    rng = np.random.default_rng(5)
    logits, labels, order = (
        rng.normal(size=(9, 5)),
        rng.integers(5, size=9),
        [3, 0, 4, 1, 2],
    )
    new_labels = np.argsort(order)[labels]
    np.testing.assert_allclose(
        _values(objective, new_labels, logits[:, order]),
        _values(objective, labels, logits),
        rtol=1e-5,
    )


@pytest.mark.parametrize(
    "logits",
    [[1.0] * 5, [2, 2, 2, 0, 0], [2, 1, 1, 1, 0], [0, 3, 3, 3, 3], [5, 5, 1, 1, 1]],
    ids=["all", "first three", "others", "above", "two and two"],
)
@pytest.mark.parametrize("size", [1.0, 100.0])
def test_dlr_and_its_gradient_are_finite_at_ties(logits, size):
    logits = size * np.array([logits])
    for objective in (DLR(), _toward([2])):
        assert np.all(np.isfinite(_values(objective, [0], logits)))
        assert np.all(np.isfinite(_gradient(objective, [0], logits)))


def test_dlr_keeps_its_gradient_where_cross_entropy_has_none():
    sure = [[300.0, 1.0, 2.0, 0.0]]
    assert np.all(_gradient(CrossEntropy(), [0], sure) == 0)
    assert np.abs(_gradient(DLR(), [0], sure)).max() > 1e-6


@pytest.mark.parametrize(
    ("objective", "num_classes", "minimum"),
    [(DLR(), 2, 3), (_toward([1]), 3, 4), (_toward([1]), 2, 4)],
    ids=["untargeted", "toward, three", "toward, two"],
)
def test_dlr_of_too_few_classes_names_the_margin(objective, num_classes, minimum):
    with pytest.raises(
        ValueError,
        match=rf"`objective` must be .* fewer than {minimum} classes.*Received: "
        rf"objective=DLR\(\) and logits of {num_classes} classes\. Pass objectives.M",
    ):
        _values(objective, [0], [[3.0, 2.0, 1.0][:num_classes]])


def test_a_scaled_objective_is_that_of_the_scaled_logits():
    rng = np.random.default_rng(5)
    logits, labels = rng.normal(size=(6, 4)), np.arange(6) % 4
    scaled = objectives.Scaled(CrossEntropy(), 3.0)
    expected = _numpy_cross_entropy(labels, 3.0 * logits)
    np.testing.assert_allclose(_values(scaled, labels, logits), expected, rtol=1e-5)
    other = objectives.Scaled(Margin(kappa=None), 0.5)
    z, classes = ops.convert_to_tensor(logits.astype("float32")), (labels + 1) % 4
    for name, arguments in (("targeted", [classes]), ("toward", [labels, classes])):
        np.testing.assert_allclose(
            getattr(other, name)(*arguments, z),
            0.5 * getattr(Margin(kappa=None), name)(*arguments, z),
            rtol=1e-5,
        )
    config = keras.saving.serialize_keras_object(scaled)
    assert keras.saving.deserialize_keras_object(config) == scaled


def test_a_small_factor_brings_a_saturated_gradient_back():
    logits = [[1000.0, 0.0, -300.0]]
    assert not np.any(_gradient(CrossEntropy(), [0], logits))
    scaled = objectives.Scaled(CrossEntropy(), 0.01)
    assert (
        _gradient(scaled, [0], logits)[0, 0] < 0 < _gradient(scaled, [0], logits)[0, 1]
    )
