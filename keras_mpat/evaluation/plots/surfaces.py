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
    width = 4.3 * len(surfaces) + 0.9
    figure = Figure(figsize=(width, 4.1), dpi=_DPI)
    top = max(float(np.max(surface.loss)) for surface in surfaces.values())
    for number, (name, surface) in enumerate(surfaces.items()):
        place = (4.3 / width * number, 0.02, 4.3 / width, 0.86)
        axis = figure.add_axes(place, projection="3d")
        drawn = _draw(axis, surface, top)
        axis.set_title(name, fontsize=10, y=0.94)
    beside = figure.add_axes((1 - 0.75 / width, 0.25, 0.12 / width, 0.5))
    bar = figure.colorbar(drawn, cax=beside)
    bar.set_label("cross-entropy", fontsize=9)
    bar.ax.tick_params(labelsize=8)
    figure.suptitle(title, fontsize=11)
    figure.savefig(path)


def _draw(axis, surface: LossSurface, top: float):
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
    axis.set(xticks=[-1, 0, 1], yticks=[-1, 0, 1])
    axis.tick_params(labelsize=8, pad=1)
    axis.view_init(elev=25, azim=-130)
    axis.set_box_aspect((1, 1, 0.8), zoom=0.9)
    return drawn
