"""Curves against the epoch, or anything else that has one value per step."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from keras_mpat.evaluation.plots.colors import COLORS, MARKERS

_MANY = 25  # points above which markers only blur a line


def lines(
    curves: Mapping[str, Sequence[float]],
    path,
    *,
    label: str = "",
    percent: bool = False,
    title: str = "",
) -> None:
    """Curves over the epochs 1, 2, ...; gaps where a value is NaN.

    Args:
        curves: by name, a value per epoch.
        path: where to write.
        label: of the vertical axis.
        percent: whether values are shares, drawn as percent from 0 to 100.
        title: title of the figure.
    """
    figure = Figure(figsize=(5.6, 3.4), dpi=110)
    axis = figure.subplots()
    for number, (name, values) in enumerate(curves.items()):
        height = np.asarray(values, "float64") * (100 if percent else 1)
        marker = MARKERS[number % 10] if len(height) <= _MANY else ""
        axis.plot(
            np.arange(1, len(height) + 1),
            height,
            color=COLORS[number % len(COLORS)],
            marker=marker,
            markersize=4,
            label=name,
        )
    axis.set(xlabel="epoch", ylabel=label, title=title)
    if percent:
        axis.set(ylim=(0, 102))
    else:
        axis.set_ylim(bottom=min(0.0, axis.get_ylim()[0]))
    axis.locator_params(axis="x", integer=True)
    axis.grid(alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False, fontsize=8.5)
    figure.tight_layout()
    figure.savefig(path)
