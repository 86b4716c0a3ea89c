"""Which class is taken for which, without and under an attack."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

_DPI = 110
_WRITTEN = 12  # classes up to which shares are written
_NAMED = 25  # and up to which classes are named


def confusion_matrix(
    panels: Mapping[str, np.ndarray],
    path,
    *,
    class_names: Sequence[str] | None = None,
    title: str = "",
) -> None:
    """Shares of each true class that are taken for each class, in percent.

    Args:
        panels: by title, counts (C, C) from `confusion`: rows are true classes.
        path: where to write the PNG.
        class_names: names of the C classes; `None`: their numbers.
        title: title of the figure.
    """
    size = len(next(iter(panels.values())))
    names = list(class_names or map(str, range(size)))
    side = min(max(0.46 * size, 2.2), 6.0)
    across = (side + 0.75) * len(panels) + 1.4
    figure = Figure(figsize=(across, side + 1.7), dpi=_DPI, layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    for axis, (name, counts) in zip(axes, panels.items(), strict=True):
        shares = _shares(counts)
        drawn = axis.imshow(shares, cmap="Blues", vmin=0, vmax=100)
        axis.set_title(name, fontsize=9.5)
        axis.set_xlabel("predicted", fontsize=9)
        axis.tick_params(length=0, labelsize=8)
        axis.spines[:].set(color="0.8")
        if size <= _NAMED:
            axis.set_xticks(range(size), names, rotation=45, ha="right")
            axis.set_yticks(range(size), names)
            axis.tick_params(axis="x", rotation=45 if max(map(len, names)) > 2 else 0)
        if size <= _WRITTEN:
            _write(axis, shares)
    axes[0].set_ylabel("true class", fontsize=9)
    bar = figure.colorbar(drawn, ax=axes, shrink=0.8, aspect=25, pad=0.02)
    bar.set_label("% of the true class", fontsize=9)
    bar.outline.set(edgecolor="0.8")
    figure.suptitle(title, fontsize=10)
    figure.savefig(path)


def _shares(counts: np.ndarray) -> np.ndarray:
    """Percent of each row; NaN of classes without examples."""
    counts = np.asarray(counts, "float64")
    sums = counts.sum(axis=1, keepdims=True)
    return 100 * counts / np.where(sums > 0, sums, np.nan)


def _write(axis, shares: np.ndarray) -> None:
    for row, column in np.argwhere(np.isfinite(shares) & (shares >= 0.5)):
        value = shares[row, column]
        ink = "white" if value > 55 else "0.15"
        axis.text(
            column,
            row,
            f"{value:.0f}",
            ha="center",
            va="center",
            fontsize=7.5,
            color=ink,
        )
