"""The result of a search, read from its folder: at any moment, without keras-tuner."""

import dataclasses
import json
from pathlib import Path
from typing import Any

from keras_mpat.tuning.job import read_outcome
from keras_mpat.tuning.plan import Plan, SearchFile
from keras_mpat.tuning.results import SearchResult, TrialResult


def read_result(plan: Plan, hyper_model) -> SearchResult:
    """What there is so far.

    Args:
        plan: of the search.
        hyper_model: for the facts around it and the command of the best trial.
    """
    known = SearchFile(plan.folder).read()
    trials = tuple(_trials(plan))
    result = SearchResult(
        folder=plan.folder,
        objective=plan.objective,
        direction=plan.direction,
        trials=trials,
        tuned=plan.space.tuned,
        about=hyper_model.about() | _about(plan, known),
        examples=len(hyper_model.validation[1]),
        majority=hyper_model.majority,
        seconds=sum(trial.seconds for trial in trials),
        finished=bool(known.get("finished")),
        stopped=known.get("stopped", ""),
    )
    if result.best is None:
        return result
    command = hyper_model.command(result.best.values)
    return dataclasses.replace(result, command=command)


def _trials(plan: Plan):
    """By number."""
    paths = sorted(plan.folder.glob("trial_*/trial.json"), key=_number)
    for path in paths:
        state = json.loads(path.read_text(encoding="utf-8"))
        trial_id = state["trial_id"]
        job = plan.job(trial_id, state["hyperparameters"]["values"])
        status = {"COMPLETED": "completed", "RUNNING": "running"}
        found = read_outcome(path.parent)
        known = status.get(state["status"], "failed")
        said = (state["message"] or "").strip().splitlines()
        reason = said[-1] if said and known == "failed" else ""
        if found is None:
            yield TrialResult(trial_id, job.values, known, reason=reason)
            continue
        yield TrialResult(
            trial_id,
            job.values,
            known,
            score=found.score if known == "completed" else None,
            scores=tuple(found.scores),
            metrics=found.metrics,
            epochs=found.epochs,
            seconds=found.seconds,
            reason=found.reason or reason,
            history=tuple(found.history),
        )


def _number(path: Path) -> int:
    return int(path.parent.name.removeprefix("trial_"))


def _about(plan: Plan, known: dict[str, Any]) -> dict[str, Any]:
    return {
        "tuner": known.get("identity", {}).get("tuner", ""),
        "epochs per trial": plan.epochs,
        "seeds per trial": plan.seeds,
        "a score is the mean of the last epochs": plan.score_epochs,
    }


def summary(result: SearchResult) -> str:
    """A search in a few lines: the best trials, and what to do next."""
    lines = []
    if result.stopped:
        lines.append(f"Stopped: {result.stopped}")
    for rank, trial in enumerate(result.ranking[:5], 1):
        values = ", ".join(f"{n} {in_words(trial.values.get(n))}" for n in result.tuned)
        between = result.interval(trial)
        text = "" if between is None else f" ({between[0]:.4f} to {between[1]:.4f})"
        lines.append(f"{rank}. {trial.score:.4f}{text}  {values}")
    count, failed = len(result.trials), len(result.failed)
    lines.append(
        f"{count} trials, {failed} failed, {result.seconds / 60:.1f} min of training; "
        f"the largest class alone is {result.majority:.4f}."
    )
    if result.failed and not result.ranking:
        lines.append(f"No trial has a score. The first: {result.failed[0].reason}")
    if result.command is not None:
        lines.append(f"Train the best again: {result.command}")
    if (result.folder / "report.html").exists():
        lines.append(f"Report: {result.folder / 'report.html'}")
    return "\n".join(lines)


def in_words(value: Any) -> str:
    """A hyper-parameter for a reader: [3, 4] is 3/4, as the paper writes it."""
    if isinstance(value, (list, tuple)):
        return "/".join(map(str, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)
