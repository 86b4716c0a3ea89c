"""The tuner: asks an oracle for trials, runs each in its own process, and reports."""

import os
import time

import keras_tuner

from keras_mpat.tuning.plan import Plan
from keras_mpat.tuning.process import run_apart
from keras_mpat.tuning.progress import SearchProgress

_HEARTBEAT = 2.0  # seconds between two signs of life to a chief
_PAUSE = 0.5  # seconds before an oracle that had nothing to do is asked again


class TrialTuner(keras_tuner.engine.base_tuner.BaseTuner):
    """Runs the trials of a plan, alone or as one of several workers.

    Args:
        oracle: from `oracles.make_oracle`.
        plan: what a trial is.
        content: the pickled hyper-model.
        progress: shows what happens.
    """

    def __init__(self, oracle, plan: Plan, content: bytes, progress: SearchProgress):
        # keras-tuner takes the folder in two parts.
        folder = plan.folder.resolve()
        super().__init__(oracle, directory=folder.parent, project_name=folder.name)
        self._plan, self._content, self._progress = plan, content, progress
        self._asked = self._signed = 0.0

    def pre_create_trial(self):
        pause = self._asked + _PAUSE - time.monotonic()
        time.sleep(max(0.0, pause))
        self._asked = time.monotonic()

    def _try_run_and_update_trial(self, trial, *args, **kwargs):
        """In place of keras-tuner's, which prints the traceback of each failure."""
        job = self._plan.job(trial.trial_id, trial.hyperparameters.values)
        self._progress.begin(job)
        outcome = run_apart(
            self._content,
            job,
            told=self._progress.epoch,
            tick=lambda: self._still_ours(trial),
        )
        self._progress.end(job, outcome)
        trial.status, trial.message = "FAILED", outcome.reason
        if outcome.status == "completed":
            score = {self._plan.objective: outcome.score}
            self.oracle.update_trial(trial.trial_id, score)
            trial.status = "COMPLETED"

    def save(self):
        """Nothing: the oracle knows all."""

    def reload(self):
        """Nothing: see `save`."""

    def _still_ours(self, trial) -> bool:
        """Whether a chief, if there is one, still waits for this trial from us."""
        if "KERASTUNER_ORACLE_IP" not in os.environ:
            return True
        if time.monotonic() < self._signed + _HEARTBEAT:
            return True
        self._signed = time.monotonic()
        # To a worker with a trial, the chief gives that trial again.
        return self.oracle.create_trial(self.tuner_id).trial_id == trial.trial_id
