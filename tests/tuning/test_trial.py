"""Trials in this process: what is kept, what goes on, what counts as failed."""

import json
import math
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from keras_mpat.tuning import trial
from keras_mpat.tuning.job import Job
from keras_mpat.tuning.kept_epochs import Collapse
from tests.tuning import planted


def _job(folder, **options):
    usual = {
        "trial_id": "0",
        "values": {"learning_rate": planted.GOOD, "strategy": "fast", "head": "none"},
        "objective": "val_robust_accuracy",
        "epochs": 4,
        "seeds": 2,
        "score_epochs": 2,
    }
    return Job(folder=str(folder), **usual | options)


class _Killed(BaseException):
    pass


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A trial of two seeds that nothing disturbed, and its folder."""
    folder = tmp_path_factory.mktemp("whole")
    told = []
    return trial.run(planted.Planted(folder), _job(folder), told.append), folder, told


def test_a_score_is_the_mean_over_seeds_of_the_last_epochs(whole):
    outcome, _, told = whole
    history = [seed["val_robust_accuracy"] for seed in outcome.history]
    assert [len(values) for values in history] == [4, 4]
    assert outcome.scores == [np.mean(values[-2:]) for values in history]
    assert outcome.score == np.mean(outcome.scores)
    assert outcome.metrics["val_loss"] == pytest.approx(
        np.mean([seed["val_loss"][-2:] for seed in outcome.history])
    )
    assert outcome.status == "completed" and outcome.epochs == 4 and outcome.seconds > 0
    assert [(seed, done) for seed, done, _ in told] == [
        (seed, done) for seed in (0, 1) for done in (1, 2, 3, 4)
    ]
    # Two seeds are two trainings.
    assert outcome.history[0]["loss"] != outcome.history[1]["loss"]


@pytest.mark.parametrize("stop", [(0, 1), (0, 4), (1, 2)])
def test_a_killed_trial_goes_on_and_ends_the_same(whole, tmp_path, stop):
    def kill(message):
        if message[:2] == stop:
            raise _Killed

    hyper_model = planted.Planted(tmp_path)
    with pytest.raises(_Killed):
        trial.run(hyper_model, _job(tmp_path), kill)
    outcome = trial.run(hyper_model, _job(tmp_path), lambda _: None)
    assert outcome.history == whole[0].history
    assert outcome.score == whole[0].score
    assert len(planted.epochs_run(tmp_path)) == 8  # no epoch twice


def test_a_line_without_its_state_is_forgotten(whole, tmp_path):
    hyper_model = planted.Planted(tmp_path)
    with pytest.raises(_Killed):
        trial.run(hyper_model, _job(tmp_path), _kill_at_once)
    lines = tmp_path / "seed_0" / "epochs.jsonl"
    row = json.loads(lines.read_text())
    lines.write_text(lines.read_text() + json.dumps(row | {"loss": 99.0}) + '\n{"lo')
    outcome = trial.run(hyper_model, _job(tmp_path), lambda _: None)
    assert outcome.history == whole[0].history


def test_a_later_round_of_hyperband_continues_its_trial(whole, tmp_path):
    first = _job(tmp_path / "a", epochs=2)
    hyper_model = planted.Planted(tmp_path)
    trial.run(hyper_model, first, lambda _: None)
    second = _job(tmp_path / "b", past=str(tmp_path / "a"))
    outcome = trial.run(hyper_model, second, lambda _: None)
    assert outcome.history == whole[0].history
    assert len(planted.epochs_run(tmp_path)) == 8


@pytest.mark.parametrize("broken", ["copy", "replace"])
def test_a_kill_while_a_later_round_begins_loses_nothing(
    whole, tmp_path, monkeypatch, broken
):
    hyper_model = planted.Planted(tmp_path)
    trial.run(hyper_model, _job(tmp_path / "a", epochs=2), lambda _: None)
    second = _job(tmp_path / "b", past=str(tmp_path / "a"))

    def torn(source, target):
        if broken == "copy":
            Path(target).write_bytes(b"half")
        raise _Killed

    where = {"copy": shutil, "replace": os}[broken]
    with monkeypatch.context() as patch, pytest.raises(_Killed):
        patch.setattr(where, broken, torn)
        trial.run(hyper_model, second, lambda _: None)
    outcome = trial.run(hyper_model, second, lambda _: None)
    assert outcome.history == whole[0].history


def test_a_training_that_answers_one_class_is_a_collapse(tmp_path):
    values = {"learning_rate": 1e-9, "strategy": "fast", "head": "none"}
    hyper_model = planted.Planted(tmp_path)
    model = hyper_model.model(values, seed=0)
    wrong = np.argmax(model.predict(hyper_model.validation[0], verbose=0), axis=-1)
    # Labels of which the untrained net gets a quarter right.
    hyper_model.validation[1][:] = np.where(np.arange(32) % 4 == 0, wrong, 1 - wrong)
    hyper_model.validation[1][:16:2] = 0
    hyper_model.validation[1][1:16:2] = 1
    outcome = trial.run(
        hyper_model, _job(tmp_path, values=values, epochs=9), lambda _: None
    )
    assert outcome.status == "failed" and outcome.score is None
    assert outcome.reason.startswith("seed 0: collapsed: after epoch 2, ")
    assert outcome.epochs == 2 and not outcome.traceback


def test_a_training_without_numbers_stops_at_once(tmp_path):
    values = {"learning_rate": 3e38, "strategy": "fast", "head": "none"}
    outcome = trial.run(
        planted.Planted(tmp_path), _job(tmp_path, values=values), lambda _: None
    )
    assert outcome.status == "failed" and "is no number in epoch 1" in outcome.reason
    assert outcome.epochs == 1


def test_collapse_needs_as_many_epochs_in_a_row_as_patience():
    class Kept:
        rows = [{"val_accuracy": value} for value in (0.5, 0.6, 0.5)]

    guard = Collapse(Kept, 0.5, 2)
    assert guard.why(3) == ""
    Kept.rows.append({"val_accuracy": 0.4})
    assert guard.why(4).startswith("collapsed: after epoch 4, 40.0 % right")
    Kept.rows.append({"val_accuracy": math.nan})
    assert guard.why(5) == "val_accuracy is no number in epoch 5"


def test_tensorboard_shows_scalars_and_hparams(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing import event_accumulator
    from tensorboard.plugins.hparams import plugin_data_pb2

    job = _job(tmp_path, board=str(tmp_path / "board"), epochs=1, seeds=1)
    trial.run(planted.Planted(tmp_path), job, lambda _: None)
    events = event_accumulator.EventAccumulator(str(tmp_path / "board/0/seed_0"))
    events.Reload()
    content = events.PluginTagToContent("hparams")
    start = plugin_data_pb2.HParamsPluginData.FromString(
        content["_hparams_/session_start_info"]
    ).session_start_info
    assert start.hparams["learning_rate"].number_value == planted.GOOD
    assert start.hparams["strategy"].string_value == "fast"
    assert any((tmp_path / "board/0/seed_0/validation").glob("events*"))


def _kill_at_once(_):
    raise _Killed
