"""What a search comes to: its best trial, as sentences, as a card, and as JSON."""

import math
from typing import Any

import numpy as np

from keras_mpat.evaluation.reporting.markup import Markup, element
from keras_mpat.tuning.results import SearchResult
from keras_mpat.tuning.texts import Scale, interval_of, one_line
from keras_mpat.tuning.trial_tables import facts


def no_best(result: SearchResult) -> str:
    """Why there is no best trial."""
    if not result.trials:
        return "No trial has begun: there is no best one."
    found = f"None of {len(result.trials)} trials has a score: there is no best one."
    reasons = [trial.reason for trial in result.failed if trial.reason]
    return (
        f"{found} The first failed: {one_line(reasons[0], 300)}" if reasons else found
    )


def verdict(result: SearchResult) -> list[str]:
    """What a reader must know about the best trial, a sentence each."""
    best, scale = result.best, Scale(result.objective)
    if best is None:
        return [no_best(result)]
    unit = " %" if scale.percent else ""
    ends = interval_of(result, best)
    text = f"{scale.text(best.score)}{unit} {one_line(result.objective)}"
    text += f" ({scale.range(ends)})" if ends else ""
    found = [f"Best: trial {one_line(best.trial_id, 40)} with {text}."]
    if scale.percent and result.majority and result.direction == "max":
        share = f"{100 * result.majority:.1f} %"
        found.append(f"Always naming the largest class would reach {share}.")
        low = best.score if ends is None else ends[0]
        if low is not None and low <= result.majority:
            found.append(
                "That is not clearly less than the best trial reaches: this search has "
                "not shown that anything was learned."
            )
    return found


def lead(result: SearchResult) -> Markup:
    """What stands on top of the page: the best trial, and the facts of the search."""
    first, *more = verdict(result)
    best, scale = result.best, Scale(result.objective)
    card: list[Any] = []
    if best is None:
        card.append(element("p", first, class_="bad"))
    else:
        ends = interval_of(result, best)
        small = f"  ({scale.range(ends)})" if ends else None
        unit = " %" if scale.percent else ""
        small = None if small is None else element("small", small)
        big = f"{scale.text(best.score)}{unit}"
        text = f"{one_line(result.objective)} of trial {one_line(best.trial_id, 40)}, "
        text += f"the best of {len(result.ranking)}"
        text += "; in brackets the 95 % interval." if ends else "."
        card += [element("p", big, small, class_="big"), element("p", text)]
    card += [element("p", t, class_="warn" if n else None) for n, t in enumerate(more)]
    if best is not None and result.command:
        style = "white-space: pre-wrap; overflow-wrap: anywhere; margin: .3rem 0"
        code = element("pre", element("code", result.command), style=style)
        card += [element("p", "Train it again:"), code]
    if result.stopped:
        card.insert(0, element("p", stopped(result), class_="bad"))
    if not result.finished:
        badge = element("span", "not finished", class_="badge warn")
        card.insert(0, element("p", badge))
    beside = element("div", facts(result).to_html())
    return element("div", element("div", *card, class_="verdict"), beside, class_="row")


def stopped(result: SearchResult) -> str:
    """Why the search ended early."""
    return f"Stopped before its budget: {one_line(result.stopped)}"


def best_of(result: SearchResult) -> dict[str, Any]:
    """JSON values of the best trial; figures that are not finite are `None`."""
    trial = result.best
    state = {"finished": result.finished, "stopped": result.stopped}
    if trial is None:
        return {"best": None, "reason": no_best(result), **state}
    best = {
        "trial": trial.trial_id,
        "values": trial.values,
        "objective": result.objective,
        "direction": result.direction,
        "score": trial.score,
        "interval": interval_of(result, trial),
        "scores": trial.scores,
        "metrics": trial.metrics,
        "epochs": trial.epochs,
        "command": result.command,
    }
    return {"best": _as_json(best), **state}


def _as_json(value: Any) -> Any:
    """Plain values: NumPy's unpacked, what JSON has no word for as text or `None`."""
    if isinstance(value, dict):
        return {str(name): _as_json(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_as_json(part) for part in value]
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)
