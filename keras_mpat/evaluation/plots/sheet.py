"""A sheet of pictures of what each prototype stands for."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from keras_mpat.evaluation.plots.colors import COLORS
from keras_mpat.evaluation.tables import mostly

_DPI = 110
_LONG = 40  # characters of a heading
# Inches of a sheet.
_MARGIN, _TITLE, _TEXT, _CELL, _ROW, _GROUP = 0.12, 0.45, 2.35, 0.74, 1.0, 0.42


class SheetRow(NamedTuple):
    """One prototype on a sheet.

    Attributes:
        group: name of its class; rows of a class follow each other.
        name: what is written beside it, one or two lines.
        images: (N, H, W, C_in) in [0, 1], the nearest first.
        shares: by name of each mode of the class, its share of the prototype's
            examples in [0, 1].
        captions: what stands under each image; () for nothing.
    """

    group: str
    name: str
    images: np.ndarray
    shares: Mapping[str, float]
    captions: Sequence[str] = ()


def prototype_sheet(rows: Sequence[SheetRow], path, *, title: str = "") -> None:
    """A sheet of pictures, one row per prototype: what each mode looks like.

    A bar beside the images shows the modes of all examples of the prototype, in
    colors that stay the same on the sheet.

    Args:
        rows: the prototypes, class by class.
        path: where to write the PNG.
        title: title of the sheet.
    """
    columns = max(len(row.images) for row in rows)
    groups = list(dict.fromkeys(row.group for row in rows))
    modes = list(dict.fromkeys(mode for row in rows for mode in row.shares))
    colors = {mode: COLORS[n % len(COLORS)] for n, mode in enumerate(modes)}
    width = _TEXT + columns * _CELL + 0.15
    height = _TITLE + len(groups) * _GROUP + len(rows) * _ROW + 0.1
    figure = Figure(figsize=(width, height), dpi=_DPI)
    figure.text(_MARGIN / width, 1 - 0.16 / height, title, va="top", fontsize=11)
    top = height - _TITLE
    for group in groups:
        own = [row for row in rows if row.group == group]
        top -= _GROUP
        _draw_heading(figure, own, top, colors)
        for row in own:
            top -= _ROW
            _draw_modes(figure, row, top, colors)
            _draw_images(figure, row, top)
    figure.savefig(path)


def _axis(figure, left: float, bottom: float, width: float, height: float):
    """Axes at a place in inches."""
    across, up = figure.get_size_inches()
    return figure.add_axes((left / across, bottom / up, width / across, height / up))


def _draw_heading(figure, rows, bottom: float, colors: dict[str, str]) -> None:
    width = figure.get_size_inches()[0] - _MARGIN - 0.21
    axis = _axis(figure, _MARGIN, bottom, width, 0.3)
    axis.axis("off")
    axis.axhline(0.05, color="0.75", linewidth=0.8)
    axis.text(0, 0.45, rows[0].group, fontsize=10, weight="bold", va="center")
    modes = list(dict.fromkeys(mode for row in rows for mode in row.shares))
    if 1 < len(modes) <= len(COLORS):
        axis.legend(
            handles=[Patch(color=colors[mode], label=mode) for mode in modes],
            loc="center right",
            bbox_to_anchor=(1.0, 0.45),
            ncols=len(modes),
            frameon=False,
            fontsize=7,
            borderpad=0,
            borderaxespad=0,
            columnspacing=1.0,
            handlelength=0.9,
            handletextpad=0.4,
        )


def _draw_modes(figure, row: SheetRow, bottom: float, colors: dict[str, str]) -> None:
    width = _TEXT - _MARGIN - 0.15
    axis = _axis(figure, _MARGIN, bottom, width, _ROW)
    axis.set(xlim=(0, 1), ylim=(0, 1))
    axis.axis("off")
    axis.text(0, 0.86, row.name, fontsize=8.5, va="top", linespacing=1.35)
    start = 0.0
    shares = {mode: share for mode, share in row.shares.items() if share}
    for mode, share in sorted(shares.items(), key=lambda pair: -pair[1]):
        bar = Rectangle((start, 0.2), share, 0.2, fc=colors[mode], ec="white")
        axis.add_patch(bar)
        if share * width > 0.075 * len(mode) + 0.08:
            middle = start + share / 2, 0.295
            ink = "white" if _is_dark(colors[mode]) else "black"
            axis.text(*middle, mode, fontsize=7, ha="center", va="center", color=ink)
        start += share


def _draw_images(figure, row: SheetRow, bottom: float) -> None:
    for column, picture in enumerate(row.images):
        left = _TEXT + column * _CELL
        axis = _axis(figure, left, bottom + 0.22, _CELL - 0.06, _CELL - 0.06)
        gray = picture.shape[-1] == 1
        picture = picture[..., 0] if gray else picture
        axis.imshow(picture, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set(color="0.8", linewidth=0.6)
        if row.captions:
            axis.set_xlabel(row.captions[column], fontsize=7, labelpad=2, color="0.3")


def _is_dark(color: str) -> bool:
    return float(np.dot(to_rgb(color), (0.299, 0.587, 0.114))) < 0.6


def prototype_rows(
    found,
    nearest: Mapping[tuple[int, int], np.ndarray],
    x: np.ndarray,
    modes: np.ndarray,
    *,
    class_names: Sequence[str],
    mode_names: Sequence[str],
) -> list[SheetRow]:
    """The rows of `prototype_sheet`, of what `evaluation` found.

    Args:
        found: a `PrototypeModes`, from `prototype_modes`.
        nearest: from `nearest_images`, on the same images.
        x: the images (N, H, W, C_in) in [0, 1].
        modes: their fine labels (N,).
        class_names: names of the C classes.
        mode_names: names of the M fine labels.
    """
    rows = []
    for c, slot, counts in zip(found.classes, found.slots, found.counts, strict=True):
        own, size = found.counts[found.classes == c].sum(axis=0), counts.sum()
        images, held = nearest[int(c), int(slot)], "no images"
        if size:
            share = f"{100 * size / own.sum():.0f} %"
            held = f"{size} image{'' if size == 1 else 's'} ({share})"
            held += f"\nmostly {mostly(counts, mode_names)}"
        present = np.flatnonzero(own)
        rows.append(
            SheetRow(
                group=short(class_names[c]),
                name=f"prototype {slot}: {held}",
                images=x[images],
                shares={mode_names[m]: counts[m] / max(size, 1) for m in present},
                captions=[mode_names[mode] for mode in modes[images]],
            )
        )
    return rows


def short(name: str) -> str:
    """A class name that fits a heading: of many joined ones, the first and the last."""
    parts = name.split("/")
    if len(name) <= _LONG or len(parts) < 3:
        return name
    return f"{parts[0]}/…/{parts[-1]}"
