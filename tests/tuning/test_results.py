"""Ranking of trials, and intervals of their scores."""

import math
import statistics

import pytest

from keras_mpat.evaluation.result import wilson_interval
from keras_mpat.tuning.results import seed_interval
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


def test_two_seeds_by_the_closed_form():
    # With one degree of freedom the quantile is tan(pi * (0.975 - 0.5)), and the
    # standard error half the distance of the two.
    half = math.tan(math.pi * 0.475) * abs(0.7 - 0.5) / 2
    assert seed_interval([0.5, 0.7]) == pytest.approx((0.6 - half, 0.6 + half), 1e-4)


@pytest.mark.parametrize("count", [2, 3, 5, 8, 11, 12, 15, 30, 100])
def test_any_number_of_seeds_by_scipy(count):
    stats = pytest.importorskip("scipy.stats", reason="needs scipy")
    scores = [0.5 + 0.1 * math.sin(n) for n in range(count)]
    error = statistics.stdev(scores) / math.sqrt(count)
    center = statistics.fmean(scores)
    low, high = stats.t.interval(0.95, count - 1, loc=center, scale=error)
    assert seed_interval(scores) == pytest.approx((low, high), abs=3e-3 * error)


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
