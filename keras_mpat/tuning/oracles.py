"""keras-tuner's oracles, so that no trial is lost or run twice, whatever is killed.

keras-tuner 1.4.8 writes its files in place, forgets a search that was killed in its
first trial, runs a trial again that had just ended, waits for ever for a worker that is
gone, and its grid starts over after an interruption. The policy of each oracle is its
own; what is different stands here.
"""

import functools
import json
import time
import warnings
from pathlib import Path

import keras_tuner

from keras_mpat.choices import check_choice
from keras_mpat.files import write_json
from keras_mpat.tuning.job import read_outcome

_NEVER = 10**9
ERRORS_IN_A_ROW = 3
_RUNNING, _STOPPED, _FAILED = "RUNNING", "STOPPED", "FAILED"
_ALONE = "tuner0"  # keras-tuner's name of a tuner that has no chief


def _synchronized(method):
    """keras-tuner's own, whose lock would stay locked after an error."""

    @keras_tuner.synchronized
    def caught(self, *arguments, **options):
        try:
            return method(self, *arguments, **options), None
        except Exception as error:
            return None, error

    @functools.wraps(method)
    def raising(self, *arguments, **options):
        value, error = caught(self, *arguments, **options)
        if error is not None:
            raise error
        return value

    return raising


class Durable:
    """Goes in front of one of keras-tuner's oracles.

    Args:
        deadline: point of `time.monotonic` after which no trial begins.
        patience: seconds after which the trial of a worker that is silent has failed;
            `None`: there are no workers.
        **options: of the oracle.

    Attributes:
        stopped: why the search ends before its budget; empty otherwise.
    """

    def __init__(self, *, deadline=None, patience=None, **options):
        # On reaching keras-tuner's own limit, a chief would block for ever.
        super().__init__(max_consecutive_failed_trials=_NEVER, **options)
        self.verbose = 0
        self.stopped = ""
        self._deadline, self._patience = deadline, patience
        self._heard: dict[str, float] = {}
        self._known: set[str] = set()  # of an earlier sitting
        self._errors: list[str] = []

    @_synchronized
    def create_trial(self, tuner_id):
        self._heard[tuner_id] = time.monotonic()
        self._known.discard(tuner_id)
        self.release()
        if self._deadline is not None and time.monotonic() > self._deadline:
            self.stopped = self.stopped or "The time of --max_hours is over."
        if self.stopped and tuner_id not in self.ongoing_trials:
            self.tuner_ids.discard(tuner_id)
            empty = self.hyperparameters.copy()
            return keras_tuner.engine.trial.Trial(empty, "stopped", _STOPPED)
        return super().create_trial(tuner_id)

    @_synchronized
    def update_trial(self, *arguments, **options):
        return super().update_trial(*arguments, **options)

    @_synchronized
    def end_trial(self, trial):
        if trial.trial_id in self.end_order:
            return  # the chief gave it up: its worker came back too late
        super().end_trial(trial)
        outcome = read_outcome(self._get_trial_dir(trial.trial_id))
        if trial.status == "COMPLETED":
            self._errors = []
        elif outcome is not None and outcome.traceback:
            self._errors.append(outcome.traceback)
        if len(self._errors) == ERRORS_IN_A_ROW:
            self.stopped = (
                f"{ERRORS_IN_A_ROW} trials in a row raised an error. The first:\n\n"
                + self._errors[0]
            )

    @_synchronized
    def release(self):
        """Fails the trials of workers that were not heard of for too long."""
        if self._patience is None:
            return
        now = time.monotonic()
        for tuner_id in self.tuner_ids - self.ongoing_trials.keys():
            # Gone between two trials: the chief would wait for it to say goodbye.
            if now - self._heard.setdefault(tuner_id, now) >= self._patience:
                self.tuner_ids.discard(tuner_id)
        for tuner_id, trial in list(self.ongoing_trials.items()):
            silent = now - self._heard.setdefault(tuner_id, now)
            if silent < self._patience:
                continue
            self.tuner_ids.discard(tuner_id)
            if tuner_id in self._known:  # of an earlier sitting: another may go on
                del self.ongoing_trials[tuner_id]
                self._retry_queue.append(trial.trial_id)
                continue
            trial.status = _FAILED
            trial.message = f"worker {tuner_id} was silent for {silent:.0f} s"
            super().end_trial(trial)

    def save(self):
        write_json(Path(self._get_oracle_fname()), self.get_state())

    def _save_trial(self, trial):
        folder = Path(self._get_trial_dir(trial.trial_id))
        write_json(folder / "trial.json", trial.get_state())

    def reload(self):
        """Reads the folder; trials that ran go on under the same name."""
        with open(self._get_oracle_fname(), encoding="utf-8") as file:
            state = json.load(file)
        super().reload()
        self._retry_queue = list(state["retry_queue"])
        self.ongoing_trials = {
            tuner_id: self.trials[trial_id]
            for tuner_id, trial_id in state["ongoing_trials"].items()
            if self.trials[trial_id].status == _RUNNING
        }
        for tuner_id in list(self.ongoing_trials):
            # Alone, nobody else comes back; with workers, nobody who was alone does.
            if (tuner_id == _ALONE) == (self._patience is not None):
                left = self.ongoing_trials.pop(tuner_id)
                self._retry_queue.append(left.trial_id)
        self._known = set(self.ongoing_trials)
        for trial_id in list(self.trials):
            if trial_id not in self.start_order:  # killed while it was written
                del self.trials[trial_id]
            elif self.trials[trial_id].status != _RUNNING:
                if trial_id not in self.end_order:
                    self.end_order.append(trial_id)


class Random(Durable, keras_tuner.oracles.RandomSearchOracle):
    """Independent draws."""


class Bayesian(Durable, keras_tuner.oracles.BayesianOptimizationOracle):
    """A Gaussian process over what has been measured; no point twice."""

    def populate_space(self, trial_id):
        from sklearn.exceptions import ConvergenceWarning

        with warnings.catch_warnings():
            # Few points do not tell the length of the kernel: nothing to be done.
            warnings.simplefilter("ignore", ConvergenceWarning)
            response = super().populate_space(trial_id)
        if response["status"] != _RUNNING or not self._duplicate(response["values"]):
            return response
        # Among lists, the most promising point is often one that was measured.
        values = self._random_values()
        if values is None:
            return {"status": _STOPPED}
        return {"status": _RUNNING, "values": values}


class Hyperband(Durable, keras_tuner.oracles.HyperbandOracle):
    """Many short trials, of which the best go on."""


class Grid(Durable, keras_tuner.Oracle):
    """All combinations, in order.

    Args:
        points: the combinations, dicts by name.
        **options: of `Durable` and of the oracle.
    """

    def __init__(self, points, **options):
        super().__init__(**options)
        self._points = points

    def populate_space(self, trial_id):
        if int(trial_id) >= len(self._points):
            return {"status": _STOPPED}
        return {"status": _RUNNING, "values": dict(self._points[int(trial_id)])}


TUNERS = ("bayesian", "hyperband", "random", "grid")


def make_oracle(name: str, space, num_classes: int, *, epochs: int, **options):
    """An oracle for a space.

    Args:
        name: one of `TUNERS`.
        space: a `SearchSpace`.
        num_classes: C.
        epochs: of a whole trial.
        **options: objective, max_trials and seed of the oracle; those of `Durable`.

    Raises:
        ValueError: a grid over something that is not a list, or nothing to search.
    """
    check_choice("tuner", name, TUNERS)
    if not space.tuned and name != "grid":
        raise ValueError(
            "`space` must have something to search. Received: "
            f"{space}. Pass a range or a list, for example head_weight=0.1,0.5,1."
        )
    hp = keras_tuner.HyperParameters()
    space.declare(hp, num_classes)
    options |= {"hyperparameters": hp, "tune_new_entries": False}
    options |= {"allow_new_entries": False}
    if name == "grid":
        points = list(space.points())
        limit = min(len(points), options.pop("max_trials") or len(points))
        return Grid(points, max_trials=limit, **options)
    if name == "random":
        return Random(**options)
    limit = options.pop("max_trials")
    if name == "bayesian":
        # A third of the budget at most goes to points that nothing is known about.
        first = max(2, min(3 * len(hp.space), (limit or 10) // 3))
        return Bayesian(max_trials=limit, num_initial_points=first, **options)
    oracle = Hyperband(max_epochs=epochs, **options)
    oracle.max_trials = limit  # its own number of trials otherwise
    return oracle
