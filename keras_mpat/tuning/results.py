"""What a search found: its trials, their ranking, and how sure the figures are."""

import dataclasses
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from keras_mpat.evaluation.result import seed_interval, wilson_interval


@dataclass(frozen=True)
class TrialResult:
    """One point of the space, trained with one or several seeds.

    Attributes:
        trial_id: text, unique in the search.
        values: every hyper-parameter of the trial by name, tuned or fixed.
        status: "completed", "failed", or "running" (interrupted so far).
        score: mean over the seeds of the mean of the last epochs; `None` unless
            completed.
        scores: by seed.
        metrics: other validation figures, averaged the same way.
        epochs: trained per seed.
        seconds: of training and validation, all seeds.
        reason: why it failed; empty otherwise.
        history: by seed, then by name: a value per epoch.
    """

    trial_id: str
    values: dict[str, Any]
    status: str
    score: float | None = None
    scores: tuple[float, ...] = ()
    metrics: dict[str, float] = field(default_factory=dict)
    epochs: int = 0
    seconds: float = 0.0
    reason: str = ""
    history: tuple[dict[str, list[float]], ...] = ()

    @property
    def completed(self) -> bool:
        """Whether it has a score."""
        return self.status == "completed"


@dataclass(frozen=True)
class SearchResult:
    """All trials of a search.

    Attributes:
        folder: search_dir.
        objective: name of the figure that was optimised.
        direction: "max" or "min".
        trials: in the order in which they began.
        tuned: names of the hyper-parameters that were searched.
        about: facts for a reader, by name: data set, attack, budget and so on.
        examples: validation images per measurement.
        majority: share of the largest class among them.
        seconds: of the whole search, its interruptions not counted.
        finished: whether no trial is left to run.
        stopped: why the search ended before its budget; empty otherwise.
        command: trains the best trial again; `None` where there is no such script.
    """

    folder: Path
    objective: str
    direction: str
    trials: tuple[TrialResult, ...]
    tuned: tuple[str, ...]
    about: dict[str, Any] = field(default_factory=dict)
    examples: int = 0
    majority: float = 0.0
    seconds: float = 0.0
    finished: bool = True
    stopped: str = ""
    command: str | None = None

    @property
    def ranking(self) -> list[TrialResult]:
        """The completed trials, best first; of equal ones the earlier.

        A score that is not finite has no rank.
        """
        sign = -1 if self.direction == "max" else 1
        known = [(trial.score, trial) for trial in self.trials if trial.completed]
        finite = [
            (s, trial) for s, trial in known if s is not None and math.isfinite(s)
        ]
        return [trial for _, trial in sorted(finite, key=lambda pair: sign * pair[0])]

    @property
    def best(self) -> TrialResult | None:
        """The best completed trial, if there is one."""
        return next(iter(self.ranking), None)

    @property
    def failed(self) -> list[TrialResult]:
        """The trials without a score."""
        return [trial for trial in self.trials if trial.status == "failed"]

    def interval(self, trial: TrialResult) -> tuple[float, float] | None:
        """95 % interval of a score.

        Over the seeds (Student's t) where there are several. With one seed it is that
        of the validation images (Wilson), for an accuracy, and says nothing about
        another initialisation. `None` where neither applies.
        """
        if trial.score is None or not math.isfinite(trial.score):
            return None
        if len(trial.scores) > 1:
            return seed_interval(trial.scores)
        if not self.examples or "accuracy" not in self.objective:
            return None
        return wilson_interval(round(trial.score * self.examples), self.examples)

    def to_dict(self) -> dict[str, Any]:
        """JSON values, histories left out."""
        values = dataclasses.asdict(self) | {"folder": str(self.folder)}
        for trial in values["trials"]:
            del trial["history"]
        return values
