"""What a search of hyper-parameters found: scores against one of them, and over epochs.

Ink that must be seen on light and on dark pages is left to the page, or is mid-gray.
"""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from keras_mpat.evaluation.plots.colors import COLORS, GRAY, MARKERS

_DPI = 110
_NAMED, _MANY = 14, 40  # names on an axis, at most; curves from which lines are thin
# From the worst to the best: all of it is visible on white and on black.
_SCORES = LinearSegmentedColormap.from_list("score", ["#4477aa", "#aa3377", "#ee8833"])


class ScoredPoint(NamedTuple):
    """A trial in a figure.

    Attributes:
        x: value of the hyper-parameter; texts are categories in the order given.
        score: its height.
        low, high: ends of the interval; `None`: there is none.
    """

    x: float | str
    score: float
    low: float | None = None
    high: float | None = None


class TrialCurve(NamedTuple):
    """A training in a figure.

    Attributes:
        name: of the trial.
        values: one per epoch.
        score: of the trial; `None`: it failed, and is drawn gray and dashed.
    """

    name: str
    values: Sequence[float]
    score: float | None


def score_points(
    series: Mapping[str, Sequence[ScoredPoint]],
    path,
    *,
    label: str,
    score_label: str,
    log: bool = False,
    joined: bool = False,
    floor: tuple[float, str] | None = None,
) -> None:
    """Scores against a hyper-parameter, with intervals.

    Args:
        series: by name, points; at least one in all.
        path: where to write.
        label: of the horizontal axis.
        score_label: of the vertical axis.
        log: whether the horizontal axis is logarithmic.
        joined: whether a line joins the points.
        floor: height and name of a dotted line, e.g. what guessing gets.
    """
    figure = Figure(figsize=(4.8, 3.4), dpi=_DPI, layout="constrained")
    axis = figure.subplots()
    points = [point for several in series.values() for point in several]
    names = list(dict.fromkeys(p.x for p in points if isinstance(p.x, str)))
    for number, (name, several) in enumerate(series.items()):
        xs = np.array([names.index(str(p.x)) if names else p.x for p in several], float)
        style: dict[str, Any] = {"color": COLORS[number % 10], "label": name}
        style |= {"marker": MARKERS[number % 10], "linestyle": "-" if joined else ""}
        _draw_points(axis, several, xs if log or joined else _beside(xs), **style)
    if floor is not None:
        axis.axhline(floor[0], color=GRAY, linestyle=":", label=floor[1])
    if names:
        _name_axis(axis, names)
    elif log:
        _log_axis(axis, [float(point.x) for point in points])
    elif all(float(point.x).is_integer() for point in points):
        axis.locator_params(axis="x", integer=True)
    axis.set(xlabel=label, ylabel=score_label)
    _finish(figure, axis, path, len(series) > 1 or floor is not None)


def trial_curves(
    curves: Sequence[TrialCurve],
    path,
    *,
    label: str,
    direction: str = "max",
    floor: tuple[float, str] | None = None,
) -> None:
    """A line per training over the epochs 1, 2, ..., its color the trial's score.

    The best is thick. Failed ones are gray and dashed, with a cross at their end.

    Args:
        curves: the trainings; those of several seeds follow one another.
        path: where to write.
        label: of the vertical axis.
        direction: "max" or "min": which end of the scores is the best.
        floor: as of `score_points`.
    """
    figure = Figure(figsize=(4.8, 3.5), dpi=_DPI, layout="constrained")
    axis = figure.subplots()
    colors = score_colors([curve.score for curve in curves], direction)
    best, worst = _extremes(curves, direction)
    named: set[str] = set()
    thin = 1.3 if len(curves) < _MANY else 0.7
    for curve, color in zip(curves, colors, strict=True):
        failed, first = curve.score is None, curve.name == best
        kind = "worst" if curve.name == worst else ""
        kind = "no score" if failed else "best" if first else kind
        text = kind if failed else f"{kind}: {curve.name}"
        shown = text if kind and kind not in named else None
        named.add(kind)
        style: dict[str, Any] = {"color": color, "label": shown}
        style |= {"linewidth": 2.6 if first else thin, "zorder": 3 if first else 2}
        _draw_curve(axis, np.array(curve.values, "float64"), failed, style)
    if floor is not None:
        axis.axhline(floor[0], color=GRAY, linestyle=":", label=floor[1])
    axis.set(xlabel="epoch", ylabel=label)
    axis.locator_params(axis="x", integer=True)
    _finish(figure, axis, path, bool(named - {""}) or floor is not None)


def score_colors(scores: Sequence[float | None], direction: str) -> list[str | Any]:
    """A color per score, blue for the worst, orange for the best; gray for none."""
    known = [score for score in scores if score is not None]
    low, high = min(known, default=0.0), max(known, default=1.0)
    colors: list[Any] = []
    for score in scores:
        if score is None:
            colors.append(GRAY)
            continue
        best = high if direction == "max" else low
        share = abs(score - best) / (high - low) if high > low else 0.0
        colors.append(_SCORES(1 - share))
    return colors


def write(figure: Figure, path) -> None:
    """Saves a figure; signs that the measuring font lacks are the page's to draw."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        figure.savefig(path)


def _extremes(curves, direction: str) -> tuple[str | None, str | None]:
    """Names of the best and of the worst; of equal ones the earlier is better."""
    scored = [curve for curve in curves if curve.score is not None]
    ranked = sorted(scored, key=lambda c: c.score, reverse=direction == "max")
    return (ranked[0].name, ranked[-1].name) if ranked else (None, None)


def _draw_points(axis, points, xs, **style) -> None:
    heights = np.array([point.score for point in points], "float64")
    ends = [
        (p.score if p.low is None else p.low, p.score if p.high is None else p.high)
        for p in points
    ]
    low, high = np.array(ends, "float64").reshape(-1, 2).T
    # An interval that is cut at 0 or 1 still holds its score; rounding may deny it.
    errors = np.maximum([heights - low, high - heights], 0)
    axis.errorbar(xs, heights, errors, markersize=5, elinewidth=1, **style)


def _draw_curve(axis, heights: np.ndarray, failed: bool, style) -> None:
    heights = np.where(np.isfinite(heights), heights, np.nan)
    epochs = np.arange(1, len(heights) + 1)
    style |= {"linestyle": "--" if failed else "-"}
    axis.plot(epochs, heights, marker="o" if len(heights) == 1 else "", **style)
    known = np.flatnonzero(np.isfinite(heights))
    if failed and len(known):
        end = known[-1]
        axis.plot(epochs[end], heights[end], marker="x", color=GRAY, markersize=6)


def _beside(xs: np.ndarray) -> np.ndarray:
    """Equal places moved apart, by a small part of the distance to the next ones."""
    places, found = np.unique(xs), xs.copy()
    gap = float(np.diff(places).min()) if len(places) > 1 else 1.0
    for place in places:
        rows = np.flatnonzero(xs == place)
        step = min(0.1, 0.6 / len(rows)) * gap
        found[rows] += step * (np.arange(len(rows)) - (len(rows) - 1) / 2)
    return found


def _name_axis(axis, names: Sequence[str]) -> None:
    step = -(-len(names) // _NAMED)
    places, shown = range(0, len(names), step), list(names[::step])
    axis.set_xticks(places, shown)
    axis.set_xlim(-0.6, len(names) - 0.4)
    if sum(map(len, shown)) > 40:
        axis.set_xticks(places, shown, rotation=40, ha="right")


def _log_axis(axis, values: Sequence[float]) -> None:
    """Ticks at round values, as plain numbers."""
    axis.set_xscale("log")
    low, high = min(values) / 1.25, max(values) * 1.25
    powers = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    steps = (1, 2, 5) if len(powers) <= 4 else (1,)
    ticks = [step * 10.0**power for power in powers for step in steps]
    ticks = [tick for tick in ticks if low <= tick <= high] or sorted(set(values))
    axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axis.minorticks_off()
    axis.set_xlim(low, high)


def _finish(figure: Figure, axis, path, legend: bool) -> None:
    axis.grid(alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)
    if legend:
        above = {"loc": "lower left", "bbox_to_anchor": (0, 1.0), "ncols": 2}
        axis.legend(frameon=False, fontsize=8.5, borderaxespad=0.2, **above)
    write(figure, path)
