"""Shares over two settings: one panel for each way of doing it."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure


def share_map(
    panels: Mapping[str, np.ndarray],
    path,
    *,
    rows: Sequence[str],
    columns: Sequence[str],
    row_label: str,
    column_label: str,
    label: str,
) -> None:
    """Shares as colors, and their percent as text; gray where one is NaN.

    Args:
        panels: by title, shares (R, C) in [0, 1].
        path: where to write.
        rows, columns: the R and C values, as texts.
        row_label, column_label: what they are values of.
        label: what the shares are of.
    """
    side = max(0.52 * len(columns), 1.6)
    across, high = (side + 0.35) * len(panels) + 1.6, 0.46 * len(rows) + 1.5
    figure = Figure(figsize=(across, high), dpi=110, layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    for axis, (name, shares) in zip(axes, panels.items(), strict=True):
        axis.set_facecolor("0.85")
        drawn = axis.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        axis.set_title(name, fontsize=9.5)
        axis.set_xticks(range(len(columns)), columns)
        axis.set_yticks(range(len(rows)), rows)
        axis.tick_params(length=0, labelsize=8)
        axis.spines[:].set(color="0.8")
        for row, column in np.argwhere(np.isfinite(shares)):
            value = shares[row, column]
            ink = "white" if value > 0.55 else "0.15"
            style = {"ha": "center", "va": "center", "fontsize": 8, "color": ink}
            axis.text(column, row, f"{100 * value:.0f}", **style)
    axes[0].set_ylabel(row_label, fontsize=9)
    figure.supxlabel(column_label, fontsize=9)
    bar = figure.colorbar(drawn, ax=axes, shrink=0.9, aspect=18, pad=0.02)
    bar.set_label(label, fontsize=9)
    bar.ax.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
    bar.outline.set(edgecolor="0.8")
    figure.savefig(path)
