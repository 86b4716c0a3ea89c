"""What a search says while it runs: a bar over all epochs, a line per trial."""

import math
import time

import keras

from keras_mpat.tuning.job import Job, Outcome
from keras_mpat.tuning.reading import in_words


class SearchProgress:
    """Counts epochs of all trials.

    Args:
        objective: name of the figure to show.
        direction: "max" or "min".
        tuned: names of what is searched.
        trials: to run in all; `None`: unknown.
        done: trials that earlier sittings have run.
        best: best score so far.
        verbose: whether to say anything.
    """

    def __init__(
        self, objective, direction, tuned, *, trials, done=0, best=None, verbose=1
    ):
        self._objective, self._sign = objective, 1 if direction == "max" else -1
        self._tuned = tuned
        self._trials, self._number, self._best = trials, done, best
        self._verbose = verbose
        self._bar = None
        self._epochs = self._base = 0

    def begin(self, job: Job) -> None:
        """A trial begins, or goes on."""
        self._number += 1
        self._begun = time.perf_counter()
        self._base, self._epochs = self._epochs, self._epochs + job.epochs * job.seeds
        if self._bar is None and self._verbose:
            left = None
            if self._trials is not None:
                left = max(1, self._trials - self._number + 1)
                left *= job.epochs * job.seeds
            self._bar = keras.utils.Progbar(
                left, unit_name="epoch", stateful_metrics=[self._objective]
            )
        self._job = job

    def epoch(self, seed: int, done: int, row: dict[str, float]) -> None:
        """An epoch of the current trial has ended."""
        if self._bar is not None:
            count = self._base + seed * self._job.epochs + done
            shown = [(self._objective, row.get(self._objective, math.nan))]
            self._bar.update(count, shown, finalize=False)

    def end(self, job: Job, outcome: Outcome) -> None:
        """The current trial has ended."""
        if not self._verbose:
            return
        of = "" if self._trials is None else f"/{self._trials}"
        shown = [n for n in self._tuned if n in job.values] or job.values
        values = ", ".join(f"{name} {in_words(job.values[name])}" for name in shown)
        text = f"failed: {outcome.reason}"
        if outcome.score is not None:
            best = self._best
            if best is None or self._sign * outcome.score > self._sign * best:
                self._best = outcome.score
            text = f"{self._objective} {outcome.score:.4f} (best {self._best:.4f})"
        seconds = time.perf_counter() - self._begun
        print(f"\ntrial {self._number}{of}: {values}: {text}, {seconds:.0f} s")
        if self._bar is not None:
            self._bar.update(self._epochs, finalize=False)

    def told(self, job: Job, outcome: Outcome | None, message: str | None) -> None:
        """A trial of some worker has ended."""
        self._number += 1
        self._begun = time.perf_counter() - (outcome.seconds if outcome else 0.0)
        last = (message or "no reason given").strip().splitlines()[-1]
        self.end(job, outcome or Outcome("failed", reason=last))
