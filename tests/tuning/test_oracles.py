"""Oracles that are killed between any two writes lose no trial and run none twice."""

import threading

import keras_tuner
import pytest

from keras_mpat import files
from keras_mpat.tuning import SearchSpace, job, oracles

_SPACE = SearchSpace(head_weight=[0.1, 0.5, 1.0], prototypes_per_class=[1, 2])
_TRIALS = 6


def _oracle(folder, name="random", space=_SPACE, trials=_TRIALS, **options):
    oracle = oracles.make_oracle(
        name,
        space,
        2,
        epochs=4,
        objective=keras_tuner.Objective("score", "max"),
        max_trials=trials,
        seed=7,
        **options,
    )
    oracle._set_project_dir(folder.parent, folder.name)
    if (folder / "oracle.json").exists():
        oracle.reload()
    return oracle


def _score(values):
    return 1.0 - abs(values["head_weight"] - 0.5) + values["prototypes_per_class"] / 9


def _end(oracle, trial, status="COMPLETED"):
    if status == "COMPLETED":
        score = _score(trial.hyperparameters.values)
        oracle.update_trial(trial.trial_id, {"score": score})
    trial.status = status
    oracle.end_trial(trial)


def _drive(oracle, ran):
    """Runs trials until there are none; `ran` gets those that came to their end."""
    while True:
        trial = oracle.create_trial("tuner0")
        if trial.status == "STOPPED":
            return
        values = trial.hyperparameters.values
        if len(ran) > 5 * _TRIALS:
            raise RuntimeError("The same trials come again and again.")
        ran.append((trial.trial_id, values["head_weight"], str(values)))
        _end(oracle, trial)


class _Killed(BaseException):
    """Not an Exception: nothing may catch it."""


@pytest.mark.parametrize("name", oracles.TUNERS)
def test_killed_before_any_write_and_started_again_each_trial_runs_once(
    tmp_path, monkeypatch, name
):
    whole = []
    _drive(_oracle(tmp_path / "whole", name), whole)
    assert len({values for *_, values in whole}) == len(whole) >= 4
    write, kills = files.write_json, 0
    step = 7 if name == "bayesian" else 1  # whose process takes a second to fit
    for fatal in range(0, 200, step):
        folder, ran, count = tmp_path / str(fatal), [], [0]

        def counted(path, value, count=count, fatal=fatal):
            count[0] += 1
            if count[0] == fatal + 1:
                raise _Killed
            write(path, value)

        monkeypatch.setattr(oracles, "write_json", counted)
        try:
            _drive(_oracle(folder, name), ran)
            break  # more writes than there are
        except _Killed:
            kills += 1
        done = list(ran)
        monkeypatch.setattr(oracles, "write_json", write)
        again = _oracle(folder, name)
        running = {trial.trial_id for trial in again.ongoing_trials.values()}
        _drive(again, ran)
        ids = [trial_id for trial_id, *_ in ran]
        # At most the trial that ran when the kill came runs again: it goes on.
        twice = {trial_id for trial_id in ids if ids.count(trial_id) > 1}
        assert twice <= running and len(twice) <= 1
        assert len(set(ids)) == len(whole)
        if name != "bayesian":  # which learns in another order from the same points
            assert sorted({values for *_, values in ran}) == sorted(
                {values for *_, values in whole}
            )
        assert done == ran[: len(done)]
        scores = [t.score for t in again.get_best_trials(len(whole))]
        assert None not in scores and sorted(again.end_order) == sorted(set(ids))
    assert kills >= 3 * len(whole) // step


def test_a_grid_is_every_point_in_order_once(tmp_path):
    ran = []
    _drive(_oracle(tmp_path / "s", "grid", trials=None), ran)
    weights = [weight for _, weight, _ in ran]
    assert weights == [0.1, 0.1, 0.5, 0.5, 1.0, 1.0]
    assert len({values for *_, values in ran}) == 6


def test_the_best_trial_has_the_best_score(tmp_path):
    oracle = _oracle(tmp_path / "s", "grid", trials=None)
    _drive(oracle, [])
    best = oracle.get_best_trials(1)[0].hyperparameters.values
    assert best == {"head_weight": 0.5, "prototypes_per_class": 2}


def test_a_silent_worker_loses_its_trial_and_comes_back_to_another(
    tmp_path, monkeypatch
):
    now = [100.0]
    monkeypatch.setattr(oracles.time, "monotonic", lambda: now[0])
    oracle = _oracle(tmp_path / "s", patience=10)
    lost, kept = oracle.create_trial("a"), oracle.create_trial("b")
    now[0] += 9
    assert oracle.create_trial("b").trial_id == kept.trial_id  # a sign of life
    now[0] += 2
    oracle.release()
    assert oracle.trials[lost.trial_id].status == "FAILED"
    assert "worker a was silent for 11 s" in oracle.trials[lost.trial_id].message
    assert set(oracle.ongoing_trials) == {"b"} and "a" not in oracle.tuner_ids
    _end(oracle, lost)  # too late
    assert oracle.end_order == [lost.trial_id]
    assert oracle.create_trial("a").trial_id not in (lost.trial_id, kept.trial_id)


def test_after_a_restart_of_the_chief_each_worker_keeps_its_trial(
    tmp_path, monkeypatch
):
    now = [100.0]
    monkeypatch.setattr(oracles.time, "monotonic", lambda: now[0])
    first = _oracle(tmp_path / "s", patience=10)
    a, b = first.create_trial("a").trial_id, first.create_trial("b").trial_id
    again = _oracle(tmp_path / "s", patience=10)
    assert again.create_trial("b").trial_id == b
    now[0] += 11
    again.create_trial("b")
    assert again.ongoing_trials.keys() == {"b"}  # a has not come back
    assert again.create_trial("c").trial_id == a  # and another goes on with it


def test_three_errors_in_a_row_end_the_search_with_the_first(tmp_path):
    oracle = _oracle(tmp_path / "s")
    for number, outcome in enumerate(["one", "", "two", "three", "four"]):
        trial = oracle.create_trial("tuner0")
        folder = tmp_path / "s" / f"trial_{trial.trial_id}"
        if outcome:
            job.Outcome("failed", traceback=f"Traceback {outcome}").save(folder)
            _end(oracle, trial, "FAILED")
        else:
            _end(oracle, trial)
        assert bool(oracle.stopped) == (number == 4)
    assert "3 trials in a row" in oracle.stopped and "Traceback two" in oracle.stopped
    assert oracle.create_trial("tuner0").status == "STOPPED"
    assert _oracle(tmp_path / "s").create_trial("tuner0").status == "RUNNING"


def test_collapsed_trials_do_not_end_a_search(tmp_path):
    oracle, ran = _oracle(tmp_path / "s"), 0
    while (trial := oracle.create_trial("tuner0")).status == "RUNNING":
        folder = tmp_path / "s" / f"trial_{trial.trial_id}"
        job.Outcome("failed", reason="collapsed").save(folder)
        _end(oracle, trial, "FAILED")
        ran += 1
    assert ran == _TRIALS and not oracle.stopped


def test_after_the_deadline_no_trial_begins(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(oracles.time, "monotonic", lambda: now[0])
    oracle = _oracle(tmp_path / "s", deadline=5)
    trial = oracle.create_trial("tuner0")
    now[0] = 6
    assert oracle.create_trial("tuner0").trial_id == trial.trial_id
    _end(oracle, trial)
    assert oracle.create_trial("tuner0").status == "STOPPED"
    assert "max_hours" in oracle.stopped


def test_a_space_with_nothing_to_search_is_refused(tmp_path):
    with pytest.raises(ValueError, match="`space` must have something to search"):
        _oracle(tmp_path / "s", space=SearchSpace(head_weight=0.5))


def test_alone_what_workers_left_goes_on_and_the_other_way_round(tmp_path):
    first = _oracle(tmp_path / "s", patience=10)
    left = {first.create_trial(name).trial_id for name in ("a", "b")}
    alone = _oracle(tmp_path / "s")
    assert not alone.ongoing_trials
    trial = alone.create_trial("tuner0")
    assert trial.trial_id in left
    _end(alone, trial)
    running = alone.create_trial("tuner0").trial_id
    assert {trial.trial_id, running} == left
    chief = _oracle(tmp_path / "s", patience=10)
    assert chief.create_trial("a").trial_id == running


def test_a_chief_does_not_wait_for_a_worker_that_left_between_trials(
    tmp_path, monkeypatch
):
    now = [100.0]
    monkeypatch.setattr(oracles.time, "monotonic", lambda: now[0])
    oracle = _oracle(tmp_path / "s", patience=10)
    _end(oracle, oracle.create_trial("a"))
    kept = oracle.create_trial("b")
    now[0] += 9
    oracle.create_trial("b")
    oracle.release()
    assert oracle.tuner_ids == {"a", "b"}
    now[0] += 2
    oracle.release()
    assert oracle.tuner_ids == {"b"} and oracle.ongoing_trials == {"b": kept}


def test_after_a_failed_write_the_chief_still_answers(tmp_path, monkeypatch):
    oracle = _oracle(tmp_path / "s", patience=10)

    def full(path, value):
        raise OSError("No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space"):
        patch.setattr(oracles, "write_json", full)
        oracle.create_trial("a")
    thread = threading.Thread(target=oracle.release, daemon=True)
    thread.start()
    thread.join(timeout=20)
    assert not thread.is_alive()
