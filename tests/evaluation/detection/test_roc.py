"""ROC curves against scikit-learn and by hand, with ties."""

import numpy as np
import pytest
from sklearn import metrics

from keras_mpat.evaluation import roc_auc, roc_curve, threshold_at


def test_the_vector():
    scores, errors = [-1.0, -2, -3, -4, -5, -6], [0, 0, 1, 0, 1, 1]
    confidence = np.array(scores)
    assert roc_auc(-confidence, errors) == pytest.approx(8 / 9)
    assert roc_auc(confidence, errors) == pytest.approx(1 / 9)


@pytest.mark.parametrize("levels", [2, 5, 1000])
@pytest.mark.parametrize("n", [2, 50, 300])
def test_curves_equal_those_of_scikit_learn(n, levels):
    rng = np.random.default_rng(n + levels)
    scores = rng.integers(levels, size=n) / 7  # few levels: many ties
    positives = rng.uniform(size=n) < 0.3
    positives[:2] = True, False
    curve = roc_curve(scores, positives)
    fpr, tpr, thresholds = metrics.roc_curve(positives, scores, drop_intermediate=False)
    np.testing.assert_allclose(curve.false_positive_rate, fpr)
    np.testing.assert_allclose(curve.true_positive_rate, tpr)
    np.testing.assert_array_equal(curve.thresholds, thresholds)
    expected = metrics.roc_auc_score(positives, scores)
    assert curve.auc == pytest.approx(expected)
    assert roc_auc(scores, positives.astype(int)) == pytest.approx(expected)


def test_equal_scores_are_a_guess():
    assert roc_auc([3.0] * 6, [1, 0, 1, 0, 0, 0]) == pytest.approx(0.5)
    curve = roc_curve([3.0] * 6, [1, 0, 1, 0, 0, 0])
    assert curve.to_dict() == {
        "thresholds": [None, 3.0],
        "false_positive_rate": [0.0, 1.0],
        "true_positive_rate": [0.0, 1.0],
    }


@pytest.mark.parametrize("n", [1, 19, 20, 39, 40])
def test_a_threshold_rejects_as_many_as_it_may(n):
    values = np.random.default_rng(n).permutation(n).astype(float)
    threshold = threshold_at(values, 0.05)
    assert np.sum(values < threshold) == n // 20
    assert np.sum(np.minimum(values, 5) < threshold_at(np.minimum(values, 5))) <= n / 20


def test_ties_at_the_threshold_are_accepted():
    values = np.array([1.0] * 10 + [2.0] * 90)
    assert threshold_at(values, 0.05) == 1.0  # of the ten, all or none
    assert threshold_at(values, 0.1) == 2.0
