"""The figures of a search, each with its numbers and how to read it."""

import math
from collections.abc import Callable
from typing import Any

from keras_mpat.evaluation.reporting.inline import vector
from keras_mpat.evaluation.reporting.markup import Markup, element
from keras_mpat.evaluation.reporting.page import Figure
from keras_mpat.evaluation.reporting.tables import Table
from keras_mpat.tuning import published
from keras_mpat.tuning.importance import Importance
from keras_mpat.tuning.results import SearchResult
from keras_mpat.tuning.texts import (
    Scale,
    interval_of,
    is_missing,
    is_number,
    one_line,
    order_of,
    value_text,
)

_NO_PICTURE = 'No picture without matplotlib: pip install "keras_mpat[report]".'
_NAMES = {"head_weight": "λ1 (head_weight)", "prototypes_per_class": "prototypes K"}
_APART = (
    f"Test accuracies that {published.SOURCE} gives for other nets, trained longer, on "
    "an axis of their own: compare where the best lies, not how high it is. "
)
_VARY = (
    "The other hyper-parameters vary, too, and may be what makes a point good or bad."
)
_OTHER_CAUSE = (
    "The best point is also that of the paper's net with contrastive pre-training "
    "(“+ACL”), which may be why it leads."
)


def picture(draw: Callable, *, name: str) -> Markup:
    """An inline drawing, or a sentence where matplotlib is not installed.

    Args:
        draw: called with `evaluation.plots` and a file.
        name: as of `plots.inline.svg`.
    """
    try:
        from keras_mpat.evaluation import plots
    except ImportError:
        return element("p", _NO_PICTURE, class_="soft")
    return vector(lambda file: draw(plots, file), name=name)


def against(result: SearchResult, name: str) -> Figure | None:
    """Scores against one hyper-parameter; `None` where no ranked trial has it."""
    scale, trials = Scale(result.objective), result.ranking
    shown = [trial for trial in trials if not is_missing(trial.values.get(name))]
    shown.sort(key=lambda trial: order_of(trial.values[name]))
    if not shown:
        return None
    values = [trial.values[name] for trial in shown]
    plain = all(is_number(value) and math.isfinite(value) for value in values)
    label = _NAMES.get(name, one_line(name))
    points, rows = [], []
    for trial, value in zip(shown, values, strict=True):
        x: Any = float(value) if plain else one_line(value_text(value), 16)
        ends = interval_of(result, trial) or (None, None)
        heights = [scale.number(height) for height in (trial.score, *ends)]
        points.append((x, *heights))
        rows.append([trial.trial_id, value_text(value), *heights])
    log = plain and name == "head_weight" and min(values) > 0
    left = len(trials) - len(shown)
    others = _VARY if len(result.tuned) > 1 else "All else is equal."
    return Figure(
        f"{scale.label} against {label}",
        f"A point per completed trial, {reach(result)}. {others}"
        + (f" Not shown, because they have no such value: {left}." if left else ""),
        picture(
            lambda plots, file: plots.score_points(
                {"trials": [plots.ScoredPoint(*point) for point in points]},
                file,
                label=label + (", logarithmic" if log else ""),
                score_label=scale.label,
                log=log,
                floor=_floor(result),
            ),
            name=f"against {name}",
        ),
        Table(f"against_{name}", ["trial", name, scale.label, "low", "high"], rows),
    )


def paper(name: str) -> Figure:
    """What the paper found for λ1 or for the prototypes of two classes."""
    if name == "head_weight":
        title, table = "Table 8 of the paper: λ1", published.LAMBDA_1
        series: dict[str, list[tuple[Any, float]]] = {
            f"{key}, PGD-10": [(x, y) for x, y in sorted(found.items())]
            for key, found in table.items()
        }
        more = ""
    else:
        title = "Table 7 of the paper: prototypes of two classes, CIFAR10-2"
        pairs = published.PROTOTYPES.items()
        series = {
            attack: [(value_text(pair), found[attack]) for pair, found in pairs]
            for attack in ("clean", "PGD-10")
        }
        more = "Of equal numbers per class, its Figure 3 only says that 3 was best. "
    label = _NAMES[name]
    rows = [[key, x, y] for key, points in series.items() for x, y in points]
    return Figure(
        title,
        f"{_APART}{more}{_OTHER_CAUSE}",
        picture(
            lambda plots, file: plots.score_points(
                {k: [plots.ScoredPoint(*p) for p in v] for k, v in series.items()},
                file,
                label=label + (", logarithmic" if name == "head_weight" else ""),
                score_label="test accuracy (%), the paper's",
                log=name == "head_weight",
                joined=True,
            ),
            name=f"paper {name}",
        ),
        Table(f"paper_{name}", ["series", label, "test accuracy (%)"], rows),
    )


def parallel(result: SearchResult) -> Figure | None:
    """All trials across all tuned hyper-parameters."""
    ids = {trial.trial_id for trial in result.ranking}
    trials = [t for t in result.trials if t.trial_id in ids or t.status == "failed"]
    if not ids or not result.tuned:
        return None
    scale = Scale(result.objective)
    scores = [scale.number(t.score) if t.trial_id in ids else None for t in trials]
    columns = {name: [t.values.get(name) for t in trials] for name in result.tuned}
    axes = [(_NAMES.get(k, one_line(k)), *_axis(v)) for k, v in columns.items()]
    texts = zip(*(map(value_text, values) for values in columns.values()), strict=True)
    rows = [
        [trial.trial_id, *values, score]
        for trial, values, score in zip(trials, texts, scores, strict=True)
    ]
    return Figure(
        "All hyper-parameters together",
        "A line per trial, from blue (worst) to orange (best, thick); it crosses each "
        "axis at its value. Failed trials are gray and dashed, and end in a cross. "
        "Where orange lines meet on an axis, that value is good. Axes of wide ranges "
        "are logarithmic.",
        picture(
            lambda plots, file: plots.parallel_coordinates(
                [plots.Dimension(*axis) for axis in axes],
                scores,
                file,
                label=scale.label,
                direction=result.direction,
            ),
            name="parallel",
        ),
        Table("parallel", ["trial", *result.tuned, scale.label], rows),
    )


def importances(found: Importance) -> Figure:
    """Bars of the permutation importance."""
    rows = [[name, *pair] for name, pair in found.drops.items()]
    drops = {_NAMES.get(k, one_line(k)): pair for k, pair in found.drops.items()}
    return Figure(
        "What mattered" if found.trusted else "What mattered: not known",
        f"{_trust(found)} A random forest learns the scores; a bar says how far "
        "its in-sample R² falls when the values of one hyper-parameter are shuffled "
        "among the trials (mean and standard deviation of 20 times).",
        picture(
            lambda plots, file: plots.importance_bars(
                drops, file, label="fall of R², in-sample"
            ),
            name="importance",
        ),
        Table("importance", ["hyper-parameter", "fall of R²", "deviation"], rows),
    )


def curves(result: SearchResult) -> Figure | None:
    """The objective over the epochs of every trial that kept any."""
    scale, name = Scale(result.objective), result.objective
    ids = {trial.trial_id for trial in result.ranking}
    lines, rows = [], []
    for trial in result.trials:
        score = scale.number(trial.score) if trial.trial_id in ids else None
        for seed, history in enumerate(trial.history):
            heights = [scale.number(height) for height in history.get(name, ())]
            values = [math.nan if height is None else height for height in heights]
            if values:
                lines.append((one_line(trial.trial_id, 24), values, score))
            rows += [[trial.trial_id, seed, e, h] for e, h in enumerate(heights, 1)]
    if not lines:
        return None
    return Figure(
        f"{scale.label} over the epochs",
        "A line per trial and seed, from blue (worst) to orange (best, thick). Trials "
        "without a score are gray and dashed, with a cross where they end. A line that "
        "still improves at its end says that the budget decided.",
        picture(
            lambda plots, file: plots.trial_curves(
                [plots.TrialCurve(*line) for line in lines],
                file,
                label=scale.label,
                direction=result.direction,
                floor=_floor(result),
            ),
            name="learning curves",
        ),
        Table("curves", ["trial", "seed", "epoch", scale.label], rows),
    )


def reach(result: SearchResult) -> str:
    """What the intervals of a search cover, as part of a sentence."""
    several = {len(trial.scores) > 1 for trial in result.ranking}
    images = f"the {result.examples} validation images (Wilson), of one seed"
    if several == {True}:
        return "with the 95 % interval of its mean over seeds (Student's t)"
    if not result.examples or not Scale(result.objective).percent:
        text = "without an interval: one seed"
        return text if True not in several else f"{text}, or with that over seeds"
    text = f"with its 95 % interval over {images}"
    return text if True not in several else f"{text}, or over seeds where several are"


def _trust(found: Importance) -> str:
    text = f"On trials that a tree has not seen, R² is {found.out_of_bag:.2f}"
    if found.trusted:
        return f"{text}, from {found.trials} trials."
    return f"{text}: the scores cannot be told apart, and these bars say nothing."


def _floor(result: SearchResult) -> tuple[float, str] | None:
    if not Scale(result.objective).percent or not result.majority:
        return None
    return 100 * result.majority, "largest class"


def _axis(values: list[Any]) -> tuple[list[Any], list[str]]:
    """Places of values on an axis, and its categories: () for numbers."""
    known = [value for value in values if not is_missing(value)]
    if all(is_number(value) and math.isfinite(value) for value in known):
        return [None if is_missing(v) else float(v) for v in values], []
    names = [one_line(value_text(value), 40) for value in sorted(known, key=order_of)]
    texts = [None if is_missing(v) else one_line(value_text(v), 40) for v in values]
    return texts, list(dict.fromkeys(names))
