"""What robustness costs: accuracy against minutes, and which trainings none beats."""

from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.figure import Figure

from keras_mpat.evaluation.plots.colors import COLORS, GRAY, MARKERS

_NEAR = 1.1  # of two on the front this close in minutes, the better one has a name


class CostPoint(NamedTuple):
    """A training in the figure.

    Attributes:
        name: of the training, written beside it if it is on the front.
        group: those of one group have one color and one line in the legend.
        minutes: of training, above 0.
        accuracy: its height, in percent.
        low, high: ends of its interval, in percent; `None`: there is none.
    """

    name: str
    group: str
    minutes: float
    accuracy: float
    low: float | None = None
    high: float | None = None


def pareto_front(points: Sequence[CostPoint]) -> list[CostPoint]:
    """Those that no other beats in minutes without losing accuracy; cheapest first."""
    front: list[CostPoint] = []
    for point in sorted(points, key=lambda p: (p.minutes, -p.accuracy)):
        if not front or point.accuracy > front[-1].accuracy:
            front.append(point)
    return front


def cost_of_robustness(
    points: Sequence[CostPoint], path, *, label: str, title: str = ""
) -> None:
    """Accuracy against minutes of training, on a logarithmic axis, and the front.

    Args:
        points: the trainings, at least one.
        path: where to write.
        label: of the vertical axis.
        title: title of the figure.
    """
    figure = Figure(figsize=(6.4, 4.2), dpi=110, layout="constrained")
    axis = figure.subplots()
    for number, group in enumerate(dict.fromkeys(point.group for point in points)):
        own = [point for point in points if point.group == group]
        style = {"color": COLORS[number % len(COLORS)], "label": group}
        xs, ys = [p.minutes for p in own], [p.accuracy for p in own]
        axis.scatter(xs, ys, marker=MARKERS[number % 10], s=34, zorder=3, **style)
        for point in own:
            if point.low is not None and point.high is not None:
                ends = ([point.minutes] * 2, [point.low, point.high])
                axis.plot(*ends, color=style["color"], alpha=0.5, linewidth=1)
    front = pareto_front(points)
    axis.step(
        [point.minutes for point in front],
        [point.accuracy for point in front],
        where="post",
        color=GRAY,
        linestyle="--",
        linewidth=1,
        label="best for its minutes",
    )
    following = [*front[1:], None]
    for point, dearer in zip(front, following, strict=True):
        if dearer is not None and dearer.minutes < _NEAR * point.minutes:
            continue  # their names would cover each other
        place = (point.minutes, point.accuracy)
        options = {"textcoords": "offset points", "fontsize": 8, "zorder": 4}
        axis.annotate(point.name, place, xytext=(-5, 6), ha="right", **options)
    axis.set_xscale("log")
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.xaxis.set_minor_formatter(lambda value, _: _minor(value))
    axis.tick_params(which="minor", labelsize=8)
    axis.set(xlabel="minutes of training", ylabel=label, title=title)
    axis.margins(x=0.2, y=0.15)
    axis.grid(alpha=0.25, which="both")
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False, fontsize=8.5, loc="best")
    figure.savefig(path)


def _minor(value: float) -> str:
    """Text of a tick between powers of ten: of 2 and 5 only."""
    return f"{value:g}" if f"{value:e}"[0] in "25" else ""
