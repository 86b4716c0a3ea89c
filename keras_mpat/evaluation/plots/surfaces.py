"""The loss around examples as surfaces."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from keras_mpat.evaluation.loss_surfaces import LossSurface

_DPI = 110


def loss_surfaces(
    surfaces: Mapping[str, LossSurface], path, *, title: str = ""
) -> None:
    """Loss surfaces side by side, at the same height and color.

    Args:
        surfaces: by name.
        path: where to write the PNG.
        title: title of the figure.
    """
    figure = Figure(figsize=(4.4 * len(surfaces) + 0.9, 4.3), dpi=_DPI)
    top = max(float(np.max(surface.loss)) for surface in surfaces.values())
    for number, (name, surface) in enumerate(surfaces.items(), start=1):
        axis = figure.add_subplot(1, len(surfaces), number, projection="3d")
        along, across = np.meshgrid(surface.shares, surface.shares, indexing="ij")
        drawn = axis.plot_surface(
            along,
            across,
            surface.loss,
            cmap="viridis",
            vmin=0,
            vmax=top,
            rstride=1,
            cstride=1,
            edgecolor=(0, 0, 0, 0.2),
            linewidth=0.25,
        )
        axis.set(xlabel="along the attack", ylabel="at random", zlim=(0, top))
        axis.set_title(name, fontsize=10)
        axis.tick_params(labelsize=7.5)
        axis.view_init(elev=25, azim=-130)
    bar = figure.colorbar(drawn, ax=figure.axes, shrink=0.6, pad=0.08)
    bar.set_label("cross-entropy", fontsize=9)
    figure.suptitle(title, fontsize=11)
    figure.savefig(path)
