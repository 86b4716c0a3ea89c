"""What a run directory holds, as a report needs it.

    run = read_run("runs/mnist_2")
    run.evaluation.result.robust_accuracy, run.history["val_accuracy"]

`examples/train.py` and `evaluate.py` write such folders; of one made by hand, one
of the two models is enough.
"""

import csv
import dataclasses
import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_mpat.evaluation.loading import load_classifier
from keras_mpat.evaluation.result import RobustnessResult, Stage
from keras_mpat.evaluation.state import digest
from keras_mpat.models.checks import shapes

if TYPE_CHECKING:
    from keras_mpat.evaluation.reporting.findings import Findings

_MODELS = ("classifier.keras", "model.keras")


@dataclass(frozen=True)
class Evaluation:
    """Verdicts on one set of images in one ball, from one file or several.

    Attributes:
        result: the worst case of them all.
        epsilon: radius of the ball, in input units; None where it is no single one.
        images: digest of inputs and labels: equal for equal images.
        files: names of the files.
    """

    result: RobustnessResult
    epsilon: float | None
    images: str
    files: tuple[str, ...]

    @property
    def norm(self) -> str:
        """Which ball, e.g. "Linf"; "" where the attacks do not say."""
        return _norm(self.result)


@dataclass(frozen=True)
class Run:
    """One run directory.

    Attributes:
        folder: where it is.
        name: how it is called on the page.
        model: path of model.keras, which has the head, or of classifier.keras.
        num_classes: how many it tells apart.
        record: run.json, or {}.
        history: by column of history.csv, a value per epoch; NaN where there is none.
        evaluation: that with the most images at the epsilon of the training; None if
            there is none of these weights.
        others: evaluations at other radii or of fewer images.
        stale: files about other weights than those in the folder.
        audit: audit.json if it is about these weights, or None.
        merging: merging.json, or None.
        findings: what its model does on the data of the report, or None.
    """

    folder: Path
    name: str
    model: Path
    num_classes: int
    record: dict[str, Any] = field(default_factory=dict)
    history: dict[str, list[float]] = field(default_factory=dict)
    evaluation: Evaluation | None = None
    others: tuple[Evaluation, ...] = ()
    stale: tuple[str, ...] = ()
    audit: dict[str, Any] | None = None
    merging: dict[str, Any] | None = None
    findings: "Findings | None" = None

    @property
    def settings(self) -> dict[str, Any]:
        """The flags of the training, or {}."""
        return self.record.get("settings", {})


def read_run(run_dir: str | os.PathLike, *, name: str | None = None) -> Run:
    """Reads a run directory; files that another version of the model left are told.

    Args:
        run_dir: the folder.
        name: of the run on the page; `None`: that of the folder.

    Raises:
        ValueError: not a folder with a model in it.
    """
    folder = Path(run_dir)
    models = [folder / file for file in _MODELS if (folder / file).exists()]
    if not models:
        raise ValueError(
            "`run_dir` must be a folder that holds classifier.keras or model.keras. "
            f"Received: run_dir={os.fspath(run_dir)!r}. Make one with "
            "examples/train.py --run_dir ..."
        )
    record = _json(folder / "run.json") or {}
    classifier = load_classifier(models[0], softmax=True)
    weights = digest(classifier.get_weights())
    found, stale = _evaluations(folder, weights)
    best = _chosen(found, record.get("epsilon"))
    report = _json(folder / "audit.json")
    about = ((report or {}).get("sha256") or {}).get("weights")
    if report and about != weights:
        report, stale = None, (*stale, "audit.json")
    return Run(
        folder=folder,
        name=name or folder.resolve().name,
        model=models[-1],
        num_classes=shapes(classifier)[1][-1],
        record=record,
        history=_history(folder / "history.csv"),
        evaluation=best,
        others=tuple(other for other in found if other is not best),
        stale=stale,
        audit=report,
        merging=_json(folder / "merging.json"),
    )


def united(results: list[RobustnessResult]) -> RobustnessResult:
    """The worst case of evaluations of one model on the same images.

    Raises:
        ValueError: their images differ.
    """
    first = results[0]
    if any(not np.array_equal(first.clean, other.clean) for other in results):
        raise ValueError(
            "`results` must be about one model and the same images. Received: clean "
            "verdicts that differ. Evaluate with the same limit."
        )
    stages: dict[str, Stage] = {}
    for result in results:
        for stage in result.stages:
            name = stage.name
            while name in stages and stages[name].attack != stage.attack:
                name += " (2)"
            stages[name] = dataclasses.replace(stage, name=name)
    proofs = [r.certified for r in results if r.certified is not None]
    return dataclasses.replace(
        first,
        robust=np.logical_and.reduce([result.robust for result in results]),
        stages=tuple(stages.values()),
        zero_gradients=max(result.zero_gradients for result in results),
        evidence=first.evidence if len(results) == 1 else None,
        certified=np.logical_or.reduce(proofs) if proofs else None,
    )


def _evaluations(folder: Path, weights: str):
    """Evaluations of these weights, equal images and balls united; stale files."""
    groups: dict[Any, list[tuple[str, RobustnessResult]]] = {}
    stale = []
    for path in sorted(folder.glob("evaluation*.json")):
        result, epsilon = _evaluation(path)
        proof = result.evidence.sha256 if result.evidence else {}
        if proof.get("weights") != weights:
            stale.append(path.name)
            continue
        radius = epsilon if isinstance(epsilon, float) else None
        key = radius, proof["inputs"] + proof["labels"], _norm(result), repr(epsilon)
        groups.setdefault(key, []).append((path.name, result))
    found = [
        Evaluation(united([r for _, r in group]), *key[:2], tuple(n for n, _ in group))
        for key, group in groups.items()
    ]
    return found, tuple(stale)


def _evaluation(path: Path) -> tuple[RobustnessResult, Any]:
    """What a file says, and its epsilon: a float, several, or None."""
    values = _json(path)
    try:
        result = RobustnessResult.load(path)
    except (AttributeError, KeyError, TypeError) as error:
        raise _unreadable(path, f"no evaluation: {error!r}") from error
    balls = result.evidence.balls if result.evidence else ()
    told = [ball["epsilon"] for ball in balls]
    epsilon = values.get("epsilon", told[0] if len(told) == 1 else told or None)
    return result, float(epsilon) if isinstance(epsilon, int) else epsilon


def _norm(result: RobustnessResult) -> str:
    found = re.search(r"threat_model=(\w+)\(", result.stages[0].attack)
    return found.group(1) if found else ""


def _chosen(found: list[Evaluation], epsilon: float | None) -> Evaluation | None:
    def rank(evaluation: Evaluation):
        given = evaluation.epsilon
        near = epsilon is None or given is None or np.isclose(given, epsilon)
        return near, evaluation.result.n

    return max(found, key=rank, default=None)


def _history(path: Path) -> dict[str, list[float]]:
    if not path.exists():
        return {}
    with open(path, encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        rows, names = list(reader), reader.fieldnames or []
    return {name: [_number(row[name]) for row in rows] for name in names}


def _number(text: str | None) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        return float("nan")


def _json(path: Path) -> Any:
    if not path.exists():
        return None
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise _unreadable(path, f"not JSON: {error}") from error
    if not isinstance(values, dict):
        raise _unreadable(path, f"a {type(values).__name__}")
    return values


def _unreadable(path: Path, why: str) -> ValueError:
    return ValueError(
        f"`run_dir` must hold readable files. Received: {path.name}, which is {why}. "
        "Remove it, or write it again."
    )
