"""Ranking of trials, and intervals of their scores."""

import math

import pytest

from keras_mpat.evaluation.result import seed_interval, wilson_interval
from tests.tuning.searches import search, trial


@pytest.mark.parametrize(
    ("direction", "order"), [("max", ["02", "00", "03"]), ("min", ["00", "03", "02"])]
)
def test_the_best_comes_first_and_of_equal_ones_the_earlier(tmp_path, direction, order):
    trials = [trial(0, 0.4), trial(1, None), trial(2, 0.6), trial(3, 0.4)]
    trials.append(trial(4, None, status="running"))
    found = search(tmp_path, trials, direction=direction)
    assert [one.trial_id for one in found.ranking] == order
    assert found.best is found.ranking[0]
    assert [one.trial_id for one in found.failed] == ["01"]


@pytest.mark.parametrize("direction", ["max", "min"])
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_score_that_is_not_finite_has_no_rank(tmp_path, direction, bad):
    trials = [trial(0, 0.4), trial(1, bad), trial(2, 0.6), trial(3, bad)]
    found = search(tmp_path, trials, direction=direction)
    assert sorted(one.trial_id for one in found.ranking) == ["00", "02"]
    assert found.interval(trials[1]) is None


def test_without_a_completed_trial_there_is_no_best(tmp_path):
    assert search(tmp_path).best is None
    assert search(tmp_path, [trial(0, None)]).best is None


def test_one_seed_has_the_interval_of_the_images(tmp_path):
    found = search(tmp_path, [trial(0, 0.4)])
    assert found.interval(found.trials[0]) == wilson_interval(80, 200)


def test_several_seeds_have_that_of_the_seeds(tmp_path):
    one = trial(0, 0.6, scores=(0.5, 0.7))
    assert search(tmp_path, [one]).interval(one) == seed_interval([0.5, 0.7])


def test_there_is_none_where_neither_applies(tmp_path):
    one = trial(0, 0.4)
    assert search(tmp_path, [one], examples=0).interval(one) is None
    assert search(tmp_path, [one], objective="val_loss").interval(one) is None
    assert search(tmp_path, [trial(0, None)]).interval(trial(0, None)) is None


def test_json_values_leave_histories_out(tmp_path):
    one = trial(0, 0.4, history=({"val_robust_accuracy": [0.4]},))
    values = search(tmp_path, [one]).to_dict()
    assert values["folder"] == str(tmp_path)
    assert "history" not in values["trials"][0]
    assert values["trials"][0]["score"] == 0.4
