"""Parallel coordinates of a search, and how much each hyper-parameter mattered."""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from keras_mpat.evaluation.plots.colors import COLORS, GRAY
from keras_mpat.evaluation.plots.sheet import short
from keras_mpat.evaluation.plots.tuning import score_colors, write

_DPI = 110
_WIDE, _ROW, _NAMES = 4.8, 0.8, 0.36  # inches; names take a share of a line's length
_BAND = 0.3  # of a row: the height of an axis, in which its ticks stand
_LOG, _LOG_WHOLE = 8, 50  # largest over smallest number from which an axis is a log
_CATEGORIES, _LETTERS = 8, 44  # names on an axis, and their signs, up to which all fit
_LETTERS_BESIDE = 15  # of a name, on one line
_MANY = 40  # trials from which lines are thin
_GAP = 0.14  # where an axis of numbers begins if some trials have none
_MISSING = "–"


class Dimension(NamedTuple):
    """One hyper-parameter of all trials.

    Attributes:
        name: of it.
        values: one per trial: numbers, or texts; `None` for a trial without it.
        categories: all texts in the order of the axis; () for numbers.
    """

    name: str
    values: Sequence[float | str | None]
    categories: Sequence[str] = ()


def parallel_coordinates(
    dimensions: Sequence[Dimension],
    scores: Sequence[float | None],
    path,
    *,
    label: str,
    direction: str = "max",
) -> None:
    """An axis per hyper-parameter, one under the other, and a line per trial.

    Axes lie flat, so that any number of them is legible on a phone. Lines pause at an
    axis, so that none crosses its numbers. The last one is the score, which colors the
    lines, too; the best is thick. Trials without a score are gray and dashed, and end
    above it.

    Args:
        dimensions: the axes, from the top.
        scores: one per trial; `None`: it failed.
        path: where to write.
        label: of the axis of scores.
        direction: "max" or "min": which end of the scores is the best.
    """
    rows = len(dimensions) + 1
    figure = Figure(figsize=(_WIDE, _ROW * rows), dpi=_DPI, layout="constrained")
    axis = figure.subplots()
    axis.axis("off")
    axis.set(xlim=(-_NAMES, 1.03), ylim=(-rows + 1 - _BAND - 0.06, 0.06))
    known = [score for score in scores if score is not None]
    places = [_draw_axis(axis, -n, d) for n, d in enumerate(dimensions)]
    scale = _scale(known, 0.0, log=False)
    _draw_band(axis, 1 - rows, label, _ticks(known, scale, log=False))
    places.append([0.0 if score is None else scale(score) for score in scores])
    best = (max if direction == "max" else min)(known, default=None)
    colors = score_colors(scores, direction)
    thin = 1.2 if len(scores) < _MANY else 0.6
    chosen = list(scores).index(best) if known else None  # of equal ones the earlier
    for trial, score in enumerate(scores):
        ends = [place[trial] for place in places[: rows if score is not None else -1]]
        _draw_line(axis, ends, colors[trial], score is None, trial == chosen, thin)
    write(figure, path)


def importance_bars(
    drops: Mapping[str, tuple[float, float]], path, *, label: str
) -> None:
    """A bar per hyper-parameter, with one standard deviation.

    Args:
        drops: by hyper-parameter, mean and standard deviation; drawn from the top.
        path: where to write.
        label: of the axis.
    """
    height = 0.34 * len(drops) + 1.0
    figure = Figure(figsize=(_WIDE, height), dpi=_DPI, layout="constrained")
    axis = figure.subplots()
    means, deviations = np.array(list(drops.values()), "float64").reshape(-1, 2).T
    rows = np.arange(len(means))
    error = {"ecolor": GRAY, "elinewidth": 1.2}
    axis.barh(rows, means, 0.62, xerr=deviations, color=COLORS[0], error_kw=error)
    axis.set_yticks(rows, [_fit(name, 28) for name in drops])
    axis.invert_yaxis()
    axis.tick_params(axis="y", length=0)
    axis.set(xlabel=label)
    axis.grid(alpha=0.25, axis="x")
    axis.spines[["top", "right"]].set_visible(False)
    write(figure, path)


def _draw_axis(axis, top: float, dimension: Dimension) -> list[float]:
    """Draws a hyper-parameter; where on it each trial is."""
    places, ticks = _places(dimension)
    _draw_band(axis, top, dimension.name, ticks)
    return places


def _draw_band(axis, top: float, name: str, ticks: list[tuple[float, str]]) -> None:
    """An axis as a band that holds its numbers."""
    for row in (top, top - _BAND):
        axis.plot([0, 1], [row, row], color=GRAY, linewidth=0.9, zorder=1)
    middle = top - _BAND / 2
    beside = {"va": "center", "fontsize": 8.5, "linespacing": 1.1}
    axis.text(-_NAMES, middle, _wrapped(name), weight="bold", **beside)
    for place, text in ticks:
        for row, end in ((top, -0.04), (top - _BAND, 0.04)):
            axis.plot([place] * 2, [row, row + end], color=GRAY, lw=0.9, zorder=1)
        side = "left" if place < 0.03 else "right" if place > 0.97 else "center"
        axis.text(place, middle - 0.01, text, ha=side, **beside)


def _draw_line(axis, places, color, failed: bool, best: bool, thin: float) -> None:
    style = {"color": color, "linewidth": 2.8 if best else thin}
    style |= {"zorder": 4 if best else 2 if failed else 3}
    for row in range(len(places) - 1):
        ends, heights = places[row : row + 2], [-row - _BAND, -row - 1]
        axis.plot(ends, heights, linestyle="--" if failed else "-", **style)
    last = len(places) - (0 if failed else 1)  # no line leaves the score
    dots = {"linestyle": "", "marker": "o", "markersize": 4.5 if best else 2.8, **style}
    axis.plot(places[1:], [-row for row in range(1, len(places))], **dots)
    axis.plot(places[:last], [-row - _BAND for row in range(last)], **dots)
    if failed:
        end = 0.9 - len(places) - _BAND
        axis.plot(places[-1], end, marker="x", markersize=6, **style)


def _scale(known, start: float, *, log: bool):
    """Where a number stands in [0, 1]; equal ones in the middle."""
    low, high = (min(known), max(known)) if len(known) else (0.0, 1.0)
    bend = np.log if log else np.asarray

    def place(value: float) -> float:
        if high == low:
            return (1 + start) / 2
        share = (bend(value) - bend(low)) / (bend(high) - bend(low))
        return float(start + (1 - start) * share)

    return place


def _ticks(known, place, *, log: bool) -> list[tuple[float, str]]:
    """Four or five numbers from the smallest to the largest, and where they stand."""
    if not len(known):
        return []
    low, high = min(known), max(known)
    marked = np.geomspace(low, high, 4) if log else np.linspace(low, high, 4)
    if all(float(value).is_integer() for value in known):
        marked = np.round(marked)
    return [(place(value), f"{value:.3g}") for value in np.unique(marked)]


def _places(dimension: Dimension) -> tuple[list[float], list[tuple[float, str]]]:
    """Where each trial stands on an axis, and its ticks."""
    if dimension.categories:
        return _named_places(dimension)
    values = dimension.values
    known = [float(value) for value in values if value is not None]
    missing = len(known) < len(values)
    whole = all(value.is_integer() for value in known)
    least = _LOG_WHOLE if whole else _LOG
    log = bool(known) and min(known) > 0 and max(known) >= least * min(known)
    place = _scale(known, _GAP if missing else 0.0, log=log)
    ticks = [(0.0, _MISSING)] * missing + _ticks(known, place, log=log)
    return [0.0 if v is None else place(float(v)) for v in values], ticks


def _named_places(dimension: Dimension) -> tuple[list[float], list[tuple[float, str]]]:
    missing = None in dimension.values
    names = [*([_MISSING] if missing else []), *dimension.categories]
    centers = np.linspace(0, 1, len(names)) if len(names) > 1 else np.array([0.5])
    of = dict(zip(names, centers.tolist(), strict=True))
    places = [of[_MISSING if v is None else str(v)] for v in dimension.values]
    letters = sum(min(len(name), 14) + 2 for name in names)
    if len(names) > _CATEGORIES or letters > _LETTERS:
        names = [names[n] for n in sorted({0, len(names) // 2, len(names) - 1})]
    return places, [(of[name], _fit(name, 14)) for name in names]


def _wrapped(name: str) -> str:
    """A name on up to three short lines; long words break after underscores."""
    lines = [""]
    for word in _fit(name, 48).split(" "):
        pieces = re.findall("[^_]*_?", word) if len(word) > _LETTERS_BESIDE else [word]
        for number, piece in enumerate(pieces):
            space = " " if lines[-1] and not number else ""
            if lines[-1] and len(lines[-1] + space + piece) > _LETTERS_BESIDE:
                lines.append("")
                space = ""
            lines[-1] += space + piece
    return "\n".join(_fit(line, 18) for line in lines[:3])


def _fit(text: str, longest: int) -> str:
    text = short(text)
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
