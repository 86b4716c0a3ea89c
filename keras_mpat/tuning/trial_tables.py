"""The tables of a search: its facts, its ranking, and everything for a spreadsheet."""

import json
from typing import Any

from keras_mpat.evaluation.reporting.tables import Shown, Table
from keras_mpat.tuning.results import SearchResult, TrialResult
from keras_mpat.tuning.texts import (
    Scale,
    interval_of,
    one_line,
    span,
    value_cell,
    value_text,
)

_REASON = 300  # characters of a reason; trials.csv holds all of it


def facts(result: SearchResult) -> Table:
    """What was searched, and what came of it, on a line each."""
    goal = "largest" if result.direction == "max" else "smallest"
    total = len(result.trials)
    running = sum(trial.status == "running" for trial in result.trials)
    trials = f"{len(result.ranking)} of {total} completed, {len(result.failed)} failed"
    if running:
        trials += f", {running} interrupted or running"
    if lost := total - len(result.ranking) - len(result.failed) - running:
        trials += f", {lost} without a finite score"
    rows = [
        ["objective", f"{one_line(result.objective)}, the {goal} is the best"],
        ["searched", ", ".join(map(one_line, result.tuned)) or "nothing"],
        ["trials", trials],
        ["time", span(result.seconds)],
    ]
    if result.examples:
        rows.append(["validation images", f"{result.examples}"])
    if result.majority:
        share = f"{100 * result.majority:.1f} % of the validation images"
        rows.append(["largest class", share])
    rows += [[one_line(name), _fact(v)] for name, v in result.about.items()]
    return Table("search", ["fact", "this search"], rows)


def ranking(result: SearchResult) -> Table:
    """Completed trials, best first, then the others in the order of the search."""
    scale, metrics = Scale(result.objective), _metrics(result)
    places = {trial.trial_id: n for n, trial in enumerate(result.ranking, 1)}
    rows = []
    for trial in [*result.ranking, *_rest(result)]:
        place = places.get(trial.trial_id)
        score = scale.cell(trial.score, interval_of(result, trial)) if place else None
        rows.append(
            [
                *(place, one_line(trial.trial_id, 40), score),
                *(value_cell(trial.values.get(name)) for name in result.tuned),
                *(Scale(name).cell(trial.metrics.get(name)) for name in metrics),
                trial.epochs,
                Shown(trial.seconds, f"{trial.seconds:.0f}"),
                "completed" if place else one_line(trial.status, 40),
            ]
        )
    header = ["rank", "trial", scale.label, *map(one_line, result.tuned)]
    header += [*(Scale(name).label for name in metrics), "epochs", "seconds", "status"]
    return Table("ranking", header, rows)


def unranked(result: SearchResult) -> Table:
    """What became of the trials that have no rank."""
    rows = [[one_line(trial.trial_id, 40), _fate(trial)] for trial in _rest(result)]
    return Table("unranked", ["trial without a rank", "what became of it"], rows)


def everything(result: SearchResult) -> Table:
    """A row per trial as the search made them, every value and figure as it is."""
    metrics = _metrics(result)
    fixed = [name for name in _names(result) if name not in result.tuned]
    places = {trial.trial_id: n for n, trial in enumerate(result.ranking, 1)}
    rows = []
    for trial in result.trials:
        low, high = interval_of(result, trial) or (None, None)
        rows.append(
            [
                places.get(trial.trial_id),
                trial.trial_id,
                trial.status,
                *(_kept(trial.values.get(name)) for name in [*result.tuned, *fixed]),
                *(trial.score, low, high, _kept(trial.scores)),
                *(trial.metrics.get(name) for name in metrics),
                *(trial.epochs, trial.seconds, one_line(trial.reason)),
            ]
        )
    own = [f"value:{name}" for name in [*result.tuned, *fixed]]
    header = ["rank", "trial", "status", *own, "score", "low", "high", "scores"]
    header += [*(f"metric:{name}" for name in metrics), "epochs", "seconds", "reason"]
    return Table("trials", header, rows)


def fixed_values(result: SearchResult) -> Table:
    """Hyper-parameters that were not searched, and equal in all trials."""
    rows = []
    for name in _names(result):
        found = [value_text(trial.values.get(name)) for trial in result.trials]
        if name not in result.tuned and len(set(found)) == 1:
            rows.append([one_line(name), one_line(found[0], 160)])
    return Table("fixed", ["hyper-parameter", "value"], rows)


def _rest(result: SearchResult) -> list[TrialResult]:
    ranked = {trial.trial_id for trial in result.ranking}
    return [trial for trial in result.trials if trial.trial_id not in ranked]


def _fate(trial: TrialResult) -> str:
    if trial.completed:
        return f"completed, but its score is {trial.score}"
    word = "interrupted or running" if trial.status == "running" else trial.status
    reason = one_line(trial.reason, _REASON)
    return f"{one_line(word, 40)}: {reason}" if reason else one_line(word, 40)


def _names(result: SearchResult) -> list[str]:
    return list(dict.fromkeys(name for t in result.trials for name in t.values))


def _metrics(result: SearchResult) -> list[str]:
    found = dict.fromkeys(name for trial in result.trials for name in trial.metrics)
    return [name for name in found if name != result.objective]


def _fact(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return one_line(", ".join(map(value_text, value)), 400)
    return one_line(value_text(value), 400)


def _kept(value: Any) -> Any:
    """A list as JSON: a spreadsheet would take 3/4 for a date."""
    if isinstance(value, (list, tuple, dict)):
        return json.dumps(value, default=str, ensure_ascii=False)
    return value
