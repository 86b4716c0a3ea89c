"""What mattered is found where it was planted, and not where nothing was."""

import numpy as np
import pytest

from keras_mpat.tuning.figures import importances
from keras_mpat.tuning.importance import LEAST, column, importance
from tests.tuning.searches import planted, search, trial

pytest.importorskip("sklearn", reason="needs scikit-learn")


def test_the_planted_hyper_parameter_is_the_most_important(tmp_path):
    found = importance(planted(tmp_path))
    assert list(found.drops)[0] == "head_weight"
    first, *others = [mean for mean, _ in found.drops.values()]
    assert first > 0.5 and max(others) < 0.1 * first
    assert found.out_of_bag > 0.5 and found.trusted
    assert found.trials == 16


def test_scores_of_noise_are_not_trusted(tmp_path):
    result, noise = planted(tmp_path), np.random.default_rng(0).normal(0.5, 0.02, 16)
    trials = [
        trial(n, float(score), values=one.values)
        for n, (one, score) in enumerate(zip(result.trials, noise, strict=True))
    ]
    found = importance(search(tmp_path, trials, tuned=result.tuned))
    assert not found.trusted
    assert "say nothing" in importances(found).to_html()
    assert "not known" in importances(found).title


def test_it_is_the_same_every_time_and_in_either_direction(tmp_path):
    first = importance(planted(tmp_path, 10))
    assert first == importance(planted(tmp_path, 10, direction="min"))


def test_it_says_nothing_of_few_equal_or_unsearched_trials(tmp_path):
    assert importance(planted(tmp_path, LEAST - 1)) is None
    assert importance(planted(tmp_path, tuned=())) is None
    equal = [trial(n, 0.5, values={"head_weight": n}) for n in range(LEAST)]
    assert importance(search(tmp_path, equal)) is None


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([3, None, 1.5], [3, -1, 1.5]),
        ([-4.0, None], [-4, -5]),
        ([1.0, float("nan")], [1, -1]),
        (["b", "a", None, "b"], [2, 0, -1, 2]),
        ([[3, 4], 5, [2, 2], None], [2, 0, 1, -1]),
        ([True, False], [1, 0]),
        ([None, None], [-1, -1]),
        ([float("inf"), 1.0], [1e30, 1]),
    ],
)
def test_values_become_numbers_that_keep_apart(values, expected):
    np.testing.assert_array_equal(column(values), expected)
