"""How the prototypes of each class merge: their number over epochs, their cosines."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from keras_mpat.evaluation.plots.colors import COLORS, MARKERS

_DPI = 110
_TEN = len(COLORS)


def prototype_history(
    history: Sequence[Sequence[int]],
    path,
    *,
    class_names: Sequence[str] | None = None,
    title: str = "",
) -> None:
    """Prototypes left per class against the epoch.

    Args:
        history: K_j of each class after epoch 1, 2, ..., as `PrototypeMerging` keeps.
        path: where to write the PNG.
        class_names: names of the classes; `None`: their numbers. Above ten classes
            the lines are gray, with their mean.
        title: title of the figure.
    """
    counts = np.asarray(history)
    epochs, size = np.arange(1, len(counts) + 1), counts.shape[1]
    names = class_names or [str(number) for number in range(size)]
    figure = Figure(figsize=(6.2, 3.6), dpi=_DPI)
    axis = figure.subplots()
    for number in range(size):
        label = f"{names[number]}: {counts[-1, number]} left"
        _draw_line(axis, epochs, counts[:, number], number, size, label)
    if size > _TEN:
        mean = f"mean of {size} classes: {counts[-1].mean():.1f} left"
        axis.plot(epochs, counts.mean(axis=1), color=COLORS[0], label=mean)
    axis.set(xlabel="epoch", ylabel="prototypes", title=title)
    axis.set(ylim=(0, counts.max() + 0.8), xlim=(0.5, len(counts) + 0.5))
    axis.locator_params(integer=True)
    axis.grid(alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False, fontsize=8.5)
    figure.tight_layout()
    figure.savefig(path)


def _draw_line(axis, epochs, counts, number: int, size: int, label: str) -> None:
    style: dict[str, Any] = {"drawstyle": "steps-mid"}
    if size > _TEN:
        axis.plot(epochs, counts, color="0.75", linewidth=0.8, **style)
        return
    style |= {"color": COLORS[number], "marker": MARKERS[number]}
    # Equal lines lie beside each other, not on each other.
    shift = 0.07 * (number - (size - 1) / 2)
    axis.plot(epochs, counts + shift, markersize=4, linewidth=1.6, label=label, **style)


def prototype_similarities(
    before: np.ndarray,
    after: np.ndarray,
    path,
    *,
    threshold: float | None = None,
    class_names: Sequence[str] | None = None,
    title: str = "",
) -> None:
    """Cosines between the prototypes of each class, before and after merging.

    Args:
        before: (C, K, K); NaN for prototypes that are not in use.
        after: likewise.
        path: where to write the PNG.
        threshold: chord distance below which pairs merge; such pairs are framed.
        class_names: names of the classes; `None`: their numbers.
        title: title of the figure.
    """
    before, after = np.asarray(before, "float64"), np.asarray(after, "float64")
    size, columns = len(before), min(len(before), 5)
    bands = -(-size // columns)
    names = class_names or [str(number) for number in range(size)]
    shape = (2.5 * columns + 1.0, 5.3 * bands + 0.6)
    figure = Figure(figsize=shape, dpi=_DPI, layout="constrained")
    grid = figure.subplots(2 * bands, columns, squeeze=False)
    for axis in grid.flat:
        axis.axis("off")
    for number, name in enumerate(names):
        band, column = divmod(number, columns)
        for row, when, cosines in ((0, "before", before), (1, "after", after)):
            axis = grid[2 * band + row, column]
            drawn = _draw_cosines(axis, cosines[number], threshold)
            left = int(np.sum(np.isfinite(np.diagonal(cosines[number]))))
            above = "" if row else f"{name}\n"
            axis.set_title(f"{above}{when}: K = {left}", fontsize=9)
    bar = figure.colorbar(drawn, ax=grid, shrink=0.5 / bands, aspect=25, pad=0.02)
    bar.set_label("cosine", fontsize=9)
    figure.suptitle(title, fontsize=10)
    figure.savefig(path)


def _draw_cosines(axis, cosines: np.ndarray, threshold: float | None):
    axis.axis("on")
    axis.set_facecolor("0.93")  # shows where a cosine is NaN
    drawn = axis.imshow(cosines, cmap="RdBu_r", vmin=-1, vmax=1)
    places = range(len(cosines))
    axis.set_xticks(places, places, fontsize=7)
    axis.set_yticks(places, places, fontsize=7)
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    for row, column in np.argwhere(np.isfinite(cosines)):
        value = cosines[row, column]
        if len(cosines) <= 10:
            rounded = round(float(value), 2) + 0.0  # no minus in front of zero
            text = f"{rounded:.2f}".replace("0.", ".").replace("1.00", "1")
            ink = "white" if abs(value) > 0.65 else "black"
            axis.text(
                column, row, text, ha="center", va="center", fontsize=5.5, color=ink
            )
        close = threshold is not None and 2 - 2 * value < threshold**2
        if close and row != column:
            frame = Rectangle(
                (column - 0.46, row - 0.46), 0.92, 0.92, fill=False, color="black"
            )
            axis.add_patch(frame)
    return drawn
