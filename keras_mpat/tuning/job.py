"""What a trial has to do and what came of it: the two messages between processes."""

import dataclasses
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from keras_mpat import files

OUTCOME = "outcome.json"


@dataclass(frozen=True)
class Job:
    """One trial, as its process gets it.

    Attributes:
        folder: of the trial; all that it keeps is in there.
        trial_id: its name.
        values: every hyper-parameter by name.
        objective: name of the figure in the logs of `fit`.
        epochs: to train up to.
        seeds: so many trainings, seeds 0, 1, ...
        score_epochs: the score is the mean of the last so many epochs.
        patience: epochs in a row with one class predicted after which it collapsed.
        past: folder of the trial whose training goes on; `None`: from the beginning.
        board: TensorBoard's folder; `None`: no logs.
        preflight: only tries one batch, and reports what `fit` logs.
    """

    folder: str
    trial_id: str
    values: dict[str, Any]
    objective: str
    epochs: int
    seeds: int = 1
    score_epochs: int = 1
    patience: int = 2
    past: str | None = None
    board: str | None = None
    preflight: bool = False


@dataclass(frozen=True)
class Outcome:
    """What came of a trial.

    Attributes:
        status: "completed" or "failed".
        reason: why it failed, one line.
        traceback: of the error, if an error was the reason.
        score, scores, metrics, epochs, seconds, history: as of `TrialResult`.
        logged: names that `fit` logs, of a preflight.
    """

    status: str
    reason: str = ""
    traceback: str = ""
    score: float | None = None
    scores: list[float] = field(default_factory=list)
    metrics: dict[str, float] = field(default_factory=dict)
    epochs: int = 0
    seconds: float = 0.0
    history: list[dict[str, list[float]]] = field(default_factory=list)
    logged: list[str] = field(default_factory=list)

    def save(self, folder: str | os.PathLike) -> None:
        """Writes outcome.json, whole or not at all."""
        files.write_json(Path(folder) / OUTCOME, dataclasses.asdict(self))


def read_outcome(folder: str | os.PathLike) -> Outcome | None:
    """What outcome.json says; `None` if the trial has not ended."""
    path = Path(folder) / OUTCOME
    if not path.exists():
        return None
    return Outcome(**json.loads(path.read_text(encoding="utf-8")))
