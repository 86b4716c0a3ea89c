"""The weakest class, counted by hand."""

import keras
import numpy as np
import pytest

import keras_mpat as mpat
from tests import toy

Y = np.array([0, 0, 0, 1, 1, 2], "int32")
GUESSES = np.array([0, 0, 1, 1, 1, 0])
SCORES = np.eye(4, dtype="float32")[GUESSES]


def by_hand(y, guesses):
    return min(np.mean(guesses[y == c] == c) for c in np.unique(y))


def test_lowest_accuracy_of_the_classes_with_examples():
    metric = mpat.metrics.WorstClassAccuracy(4)
    assert float(metric.result()) == 0.0  # nothing seen
    metric.update_state(Y[:4], SCORES[:4])
    assert float(metric.result()) == pytest.approx(by_hand(Y[:4], GUESSES[:4]))
    metric.update_state(Y[4:], SCORES[4:])
    assert float(metric.result()) == by_hand(Y, GUESSES) == 0.0
    metric.reset_state()
    metric.update_state(Y[:5], SCORES[:5])
    assert float(metric.result()) == pytest.approx(2 / 3)


@pytest.mark.parametrize("form", ["column", "one-hot"])
def test_forms_of_labels(form):
    labels = Y[:, None] if form == "column" else np.eye(4)[Y]
    metric = mpat.metrics.WorstClassAccuracy(4)
    metric.update_state(labels[:5], SCORES[:5])
    assert float(metric.result()) == pytest.approx(2 / 3)


def test_scores_of_other_classes_are_refused():
    metric = mpat.metrics.WorstClassAccuracy(3)
    with pytest.raises(ValueError, match=r"shape \(6, 4\). Pass WorstClassAccuracy\(4"):
        metric.update_state(Y, SCORES)


def test_serialization():
    metric = mpat.metrics.WorstClassAccuracy(4, name="weakest")
    loaded = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(metric)
    )
    assert (loaded.num_classes, loaded.name) == (4, "weakest")


@pytest.mark.parametrize("number", [0, -1, 2.5, True, "3"])
def test_wrong_numbers_of_classes_are_named(number):
    with pytest.raises(ValueError, match="`num_classes` must be an integer >= 1"):
        mpat.metrics.WorstClassAccuracy(number)


def test_the_model_reports_it_of_its_verdicts():
    """One class is robust, the other is not: the net looks at one feature."""
    ball = mpat.Linf(0.1)
    model = toy.model(
        mpat.training.StandardTraining(),
        classifier=toy.net(batch_norm=False),
        validation_attack=mpat.attacks.PGD(ball, steps=3),
    )
    x, y = toy.data(24)
    logs = model.evaluate(x, y, batch_size=10, verbose=0, return_dict=True)
    parts = []
    for label in (0, 1):
        chosen = y == label
        result = mpat.evaluation.evaluate_robustness(
            model, (x[chosen], y[chosen]), model.validation_attack, verbose=False
        )
        parts.append(result.robust_accuracy)
    assert logs["worst_class_robust_accuracy"] == pytest.approx(min(parts))
    assert min(parts) < max(parts)
    assert logs["robust_accuracy"] == pytest.approx(np.mean(parts))
