"""prototype_modes and nearest_images on planted embeddings, and their table."""

import math

import keras
import numpy as np
import pytest
from keras import layers

import keras_mpat as mpat
from keras_mpat import evaluation
from keras_mpat.evaluation import PrototypeModes, tables
from tests import toy

# Class 0 has prototypes at 5, 45 and 85 degrees, of which the second is not in use;
# class 1 at 30 and 60. The embedding of an example is the example.
_ANGLES = np.array([[5.0, 45.0, 85.0], [30.0, 60.0, 0.0]])
_ACTIVE = np.array([[1.0, 0.0, 1.0], [1.0, 1.0, 0.0]])


def at(degrees, length=0.7):
    """Points (..., 2) at these angles."""
    radians = np.deg2rad(np.asarray(degrees, "float64"))
    length = np.asarray(length)[..., None]
    points = length * np.stack([np.cos(radians), np.sin(radians)], axis=-1)
    return points.astype("float32")


def planted():
    """A model with the prototypes above, of other lengths than 1."""
    classifier = keras.Sequential([keras.Input((2,)), layers.Dense(2)])
    head = mpat.SoftTripleHead(2, prototypes_per_class=[3, 2])
    strategy = mpat.training.PGDTraining(mpat.Linf(0.1), steps=1)
    model = toy.model(strategy, classifier=classifier, head=head)
    head.prototypes.assign(at(_ANGLES, [[2.0, 3.0, 0.5], [1.0, 9.0, 4.0]]))
    head.active.assign(_ACTIVE)
    return model


def examples():
    """Angles, lengths, classes and modes of examples, out of order.

    Nearest of the own class: 44 and 46 degrees fall to either side of 45; 58 degrees
    is nearest to a prototype of class 1, and belongs to class 0.
    """
    rows = [
        (58.0, 0.9, 0, 1),
        (1.0, 0.2, 0, 0),
        (31.0, 0.5, 1, 2),
        (44.0, 0.6, 0, 0),
        (89.0, 0.3, 0, 1),
        (46.0, 0.9, 0, 0),
        (59.0, 0.4, 1, 2),
        (62.0, 0.8, 1, 4),
        (2.0, 0.9, 1, 2),
        (7.0, 0.5, 0, 0),
    ]
    angles, lengths, y, modes = map(np.array, zip(*rows, strict=True))
    return at(angles, lengths), y, modes


def found(**kwargs):
    x, y, modes = examples()
    return evaluation.prototype_modes(planted(), x, y, modes, **kwargs)


@pytest.mark.parametrize("batch_size", [3, 128])
def test_examples_are_counted_at_the_nearest_prototype_of_their_class(batch_size):
    result = found(batch_size=batch_size)
    np.testing.assert_array_equal(result.classes, [0, 0, 1, 1])
    np.testing.assert_array_equal(result.slots, [0, 2, 0, 1])
    expected = [[3, 0, 0, 0, 0], [1, 2, 0, 0, 0], [0, 0, 2, 0, 0], [0, 0, 1, 0, 1]]
    np.testing.assert_array_equal(result.counts, expected)
    np.testing.assert_array_equal(result.examples, [3, 3, 2, 2])
    assert result.prototypes_per_class == [2, 2]


def test_purity_by_hand():
    result = found()
    assert result.purity == pytest.approx((3 + 2 + 2 + 1) / 10)
    assert result.class_purity == pytest.approx([5 / 6, 3 / 4])
    assert result.class_purity_of_one == pytest.approx([4 / 6, 3 / 4])
    assert result.purity_of_one == pytest.approx((4 + 3) / 10)


def mutual_information(table):
    """NMI of a table of counts, from the definition, in nats."""
    joint = np.asarray(table, "float64") / np.sum(table)
    rows, columns = joint.sum(axis=1), joint.sum(axis=0)
    shared = sum(
        p * math.log(p / (rows[i] * columns[j]))
        for (i, j), p in np.ndenumerate(joint)
        if p
    )
    entropies = [-sum(p * math.log(p) for p in side if p) for side in (rows, columns)]
    return shared / np.mean(entropies)


def test_nmi_equals_its_definition_and_is_averaged_over_classes():
    result = found()
    tables_by_hand = [[3, 0], [1, 2]], [[2, 0], [1, 1]]
    by_class = [mutual_information(table) for table in tables_by_hand]
    assert result.class_nmi == pytest.approx(by_class, rel=1e-9)
    assert result.nmi == pytest.approx(np.mean(by_class), rel=1e-9)
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 30, (4, 7))
    many = PrototypeModes(np.zeros(4, int), np.arange(4), counts)
    assert many.nmi == pytest.approx(mutual_information(counts), rel=1e-9)


def test_prototypes_that_are_the_modes_and_that_know_nothing_of_them():
    classes, slots = np.zeros(2, int), np.arange(2)
    same = PrototypeModes(classes, slots, np.array([[0, 8], [5, 0]]))
    assert (same.purity, same.nmi) == (1.0, pytest.approx(1.0))
    none = PrototypeModes(classes, slots, np.array([[8, 4], [4, 2]]))
    assert (none.purity, none.purity_of_one) == (12 / 18, 12 / 18)
    assert none.nmi == pytest.approx(0.0, abs=1e-12)


def test_a_class_without_a_choice_has_no_nmi_and_json_no_nan():
    classes, slots = np.array([0, 0, 1, 2]), np.array([0, 1, 0, 0])
    counts = np.array([[3, 0, 0], [1, 0, 0], [0, 1, 1], [0, 0, 0]])
    result = PrototypeModes(classes, slots, counts)
    assert np.isnan(result.class_nmi[0]) and np.isnan(result.class_nmi[2])
    assert result.class_nmi[1] == result.nmi == pytest.approx(0.0)
    values = result.to_dict()
    assert values["class_nmi"] == [None, pytest.approx(0.0), None]
    assert values["class_purity"] == [1.0, 0.5, None]
    assert values["counts"] == counts.tolist()
    assert values["prototypes_per_class"] == [2, 1, 1]


def test_nearest_images_are_those_of_the_class_whatever_their_length():
    x, y, _ = examples()
    nearest = evaluation.nearest_images(planted(), x, y, count=3, batch_size=4)
    rows = {pair: list(indices) for pair, indices in nearest.items()}
    assert rows == {
        (0, 0): [9, 1, 3],  # 7, 1 and 44 degrees to 5
        (0, 2): [4, 0, 5],  # 89, 58 and 46 to 85
        (1, 0): [2, 8, 6],  # 31, 2 and 59 to 30
        (1, 1): [6, 7, 2],  # 59, 62 and 31 to 60
    }
    every = evaluation.nearest_images(planted(), x, y, count=99)
    assert sorted(every[0, 0]) == sorted(every[0, 2]) == [0, 1, 3, 4, 5, 9]
    one_hot = evaluation.nearest_images(planted(), x, np.eye(2)[y], count=3)
    for pair, indices in nearest.items():
        np.testing.assert_array_equal(one_hot[pair], indices)


def test_table():
    names = {"class_names": ["low", "high"], "mode_names": list("abcde")}
    text = tables.prototype_table(found(), **names)
    low, high = (
        mutual_information([[3, 0], [1, 2]]),
        mutual_information([[2, 0], [1, 1]]),
    )
    for line in (
        f"| low | 2 | 6 | 83.3 % | 66.7 % | {low:.2f} |",
        f"| high | 2 | 4 | 75.0 % | 75.0 % | {high:.2f} |",
        f"| **all** | 4 | 10 | 80.0 % | 70.0 % | {(low + high) / 2:.2f} |",
        "| prototype | examples | a | b | mostly |",
        "| 0 | 3 | 3 | · | a (100 %) |",
        "| 2 | 3 | 1 | 2 | b (67 %) |",
        "| prototype | examples | c | e | mostly |",
        "| 1 | 2 | 1 | 1 | c (50 %) |",
    ):
        assert line in text.splitlines()


def test_table_of_a_prototype_without_examples():
    counts = np.array([[0, 0], [1200, 34]])
    result = PrototypeModes(np.zeros(2, int), np.array([1, 4]), counts)
    lines = tables.prototype_table(result).splitlines()
    assert "| 1 | 0 | · | · | – |" in lines
    assert "| 4 | 1\N{NARROW NO-BREAK SPACE}234 |" in "\n".join(lines)


def test_the_control_draws_directions_for_the_prototypes_in_use():
    x, y, modes = examples()
    model = planted()
    before = toy.values(model.variables)
    control = evaluation.untrained_modes(model, x, y, modes, draws=30, seed=3)
    toy.assert_same(toy.values(model.variables), before)
    rng, inside = np.random.default_rng(3), np.asarray(x, "float64")
    for draw in control:
        directions = rng.normal(size=_ANGLES.shape + (2,))
        directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
        expected = np.zeros((4, 5), int)
        for point, c, mode in zip(inside, y, modes, strict=True):
            slots = [0, 2] if c == 0 else [0, 1]
            best = np.argmax(directions[c, slots] @ point)
            expected[2 * c + best, mode] += 1
        np.testing.assert_array_equal(draw.counts, expected)
        np.testing.assert_array_equal(draw.slots, [0, 2, 0, 1])
    assert len({str(draw.counts) for draw in control}) > 3
