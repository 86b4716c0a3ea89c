"""evaluate_detection and worst_judged by hand and as properties."""

import json

import numpy as np
import pytest

from keras_mpat.evaluation import Judged, evaluate_detection, roc_auc, worst_judged

Y = np.array([0, 0, 1, 1])
CLEAN = Judged([0, 0, 1, 0], [9.0, 7, 8, 3])  # the last one is wrong
ATTACKED = Judged([1, 0, 0, 0], [5.0, 6, 8.5, 1])


def test_by_hand():
    result = evaluate_detection(CLEAN, ATTACKED, Y, fpr=0.4)
    # Of 7, 8, 9 one may be rejected.
    assert (result.threshold, result.fpr) == (8.0, pytest.approx(1 / 3))
    assert (result.n, result.clean_errors, result.adversarial_errors) == (8, 0.25, 0.75)
    assert result.tpr == 0.75  # 3, 5, 1 of 3, 5, 8.5, 1
    assert result.escaped == 0.25  # 8.5
    # Errors 3, 5, 8.5, 1 against 9, 7, 8, 6: pairs in order.
    assert result.auc == pytest.approx((4 + 4 + 1 + 4) / 16)
    values = json.loads(json.dumps(result.to_dict()))
    assert values["auc"] == result.auc and values["escaped"] == 0.25
    strict = evaluate_detection(CLEAN, ATTACKED, Y, threshold=8.7)
    assert (strict.threshold, strict.escaped, strict.tpr) == (8.7, 0.0, 1.0)
    assert strict.fpr == pytest.approx(2 / 3)
    loose = evaluate_detection(CLEAN, ATTACKED, Y, threshold=5.5)
    assert loose.escaped == 0.25  # 8.5; the one at 6 is accepted and right


def judged(rng, n=200):
    return Judged(rng.integers(3, size=n), rng.normal(size=n).round(1))


@pytest.mark.parametrize("seed", range(5))
def test_the_worst_case_escapes_wherever_one_of_both_did(seed):
    rng = np.random.default_rng(seed)
    y, clean, first, second = rng.integers(3, size=200), *(judged(rng) for _ in "abc")
    worst, taken = worst_judged(first, second, y)
    for threshold in (-1.0, 0.0, 0.5, 2.0):
        each = [
            (attack.predicted != y) & (attack.confidence >= threshold)
            for attack in (first, second, worst)
        ]
        np.testing.assert_array_equal(each[0] | each[1], each[2])
    for name in Judged._fields:
        expected = np.where(taken, getattr(second, name), getattr(first, name))
        np.testing.assert_array_equal(getattr(worst, name), expected)
    both_right = (first.predicted == y) & (second.predicted == y)
    assert not np.any(taken & both_right)
    for attack in (first, second):
        one = evaluate_detection(clean, attack, y)
        assert evaluate_detection(clean, worst, y).escaped >= one.escaped


@pytest.mark.parametrize("seed", range(5))
def test_among_equal_errors_the_worst_case_never_has_a_higher_auc(seed):
    rng = np.random.default_rng(seed)
    y, clean, first = rng.integers(3, size=200), judged(rng), judged(rng)
    second = Judged(first.predicted, rng.normal(size=200))
    worst, _ = worst_judged(first, second, y)
    oblivious = evaluate_detection(clean, first, y)
    assert evaluate_detection(clean, worst, y).auc < oblivious.auc


def test_positive_is_what_the_classifier_gets_wrong_not_what_was_attacked():
    rng = np.random.default_rng(7)
    y, clean, attacked = rng.integers(3, size=200), judged(rng), judged(rng)
    wrong = np.append(clean.predicted != y, attacked.predicted != y)
    scores = -np.append(clean.confidence, attacked.confidence)
    result = evaluate_detection(clean, attacked, y)
    assert result.auc == pytest.approx(roc_auc(scores, wrong))
