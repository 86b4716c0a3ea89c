"""What all trials of a search have in common, and the file that remembers it.

search.json   the plan, what it was made for, and how far the search has come
trial_07/     one folder per trial; oracle.json is keras-tuner's own memory
"""

import contextlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keras_mpat import files
from keras_mpat.tuning.job import Job
from keras_mpat.tuning.space import SearchSpace


@dataclass(frozen=True)
class Plan:
    """A search, its budget left out.

    Attributes:
        folder: search_dir.
        space: what is searched.
        objective: name of the figure in the logs of `fit`.
        epochs: of a whole trial.
        seeds: trainings per trial.
        score_epochs: the score is the mean of the last so many.
        patience: epochs after which a constant answer is a collapse.
    """

    folder: Path
    space: SearchSpace
    objective: str
    epochs: int
    seeds: int
    score_epochs: int
    patience: int

    @property
    def direction(self) -> str:
        """Whether more or less of the objective is better."""
        return "min" if "loss" in self.objective or "error" in self.objective else "max"

    def job(self, trial_id: str, drawn: dict[str, Any]) -> Job:
        """The job of a trial.

        Args:
            trial_id: its name.
            drawn: what keras-tuner drew; Hyperband says how far to train, and whose
                training goes on.
        """
        past = drawn.get("tuner/trial_id")
        return Job(
            folder=str(self.folder / f"trial_{trial_id}"),
            trial_id=trial_id,
            values=self.space.values(drawn),
            objective=self.objective,
            epochs=int(drawn.get("tuner/epochs", self.epochs)),
            seeds=self.seeds,
            score_epochs=self.score_epochs,
            patience=self.patience,
            past=None if past is None else str(self.folder / f"trial_{past}"),
            board=str(self.folder / "tensorboard"),
        )

    def preflight(self, num_classes: int) -> Job:
        """A job that tries one batch, with the first value of everything."""
        return Job(
            folder=str(self.folder / "preflight"),
            trial_id="preflight",
            values=self.space.first(num_classes),
            objective=self.objective,
            epochs=1,
            preflight=True,
        )


class SearchFile:
    """search.json.

    Args:
        folder: search_dir.
    """

    def __init__(self, folder: Path):
        self.path = folder / "search.json"

    def read(self) -> dict[str, Any]:
        """Its content; empty before there is one."""
        if not self.path.exists():
            return {}
        return json.loads(self.path.read_text(encoding="utf-8"))

    def update(self, **values: Any) -> None:
        """Changes entries."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        files.write_json(self.path, self.read() | values)

    def check(self, identity: dict[str, Any]) -> None:
        """Raises unless the folder is new or belongs to this search.

        Raises:
            ValueError: another search, or no search, is in it.
        """
        folder = self.path.parent
        known = self.read()
        if known:
            _check_same(folder, known["identity"], json.loads(json.dumps(identity)))
            return
        if folder.exists() and not folder.is_dir():
            raise ValueError(
                f"`search_dir` must be a folder. Received: {folder}, a file. Pass "
                "another path."
            )
        ours = (".lock", "preflight", f"{self.path.name}.part")
        found = [p for p in folder.glob("*") if p.name not in ours]
        if found:
            raise ValueError(
                "`search_dir` must be a new folder or that of an earlier search. "
                f"Received: search_dir={folder}, which holds {found[0].name} but no "
                "search.json. Pass another folder."
            )

    @contextlib.contextmanager
    def unless_refused(self) -> Iterator[None]:
        """After an error, a folder that is no search's is left as it was found."""
        try:
            yield
        except BaseException:
            if not self.path.exists():
                folder = self.path.parent
                shutil.rmtree(folder / "preflight", ignore_errors=True)
                (folder / ".lock").unlink(missing_ok=True)
                with contextlib.suppress(OSError):  # there are other files in it
                    folder.rmdir()
            raise

    def claim(self, identity: dict[str, Any], logged: list[str]) -> None:
        """Makes the folder that of this search, unless it is already.

        Args:
            identity: JSON values.
            logged: names that `fit` logs.
        """
        if not self.read():
            self.update(identity=identity, logged=logged, finished=False, stopped="")


def _check_same(folder: Path, old: dict[str, Any], new: dict[str, Any]) -> None:
    changed = [
        f"  {name}: {old.get(name)} there, {new.get(name)} now"
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    ]
    if changed:
        raise ValueError(
            f"`search_dir` must be that of this search. Received: {folder}, made "
            "with:\n" + "\n".join(changed) + "\nPass the same to go on with it, or "
            "another search_dir."
        )
