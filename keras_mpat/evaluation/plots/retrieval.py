"""What queries find in the latent space: each row a query, then the nearest images."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

_DPI = 110
_WRONG = "#cc3311"
# Inches.
_TITLE, _TEXT, _CELL, _GAP, _ROW, _EDGE = 0.62, 1.55, 0.92, 0.28, 1.18, 0.12


class RetrievalRow(NamedTuple):
    """A query and what it finds.

    Attributes:
        name: what is written beside it, one or two lines.
        query: (H, W, C_in) in [0, 1].
        images: (k, H, W, C_in) in [0, 1], the nearest first.
        right: bool (k,), whether they are of the query's class.
        caption: what stands under the query.
        captions: what stands under each image; () for nothing.
    """

    name: str
    query: np.ndarray
    images: np.ndarray
    right: Sequence[bool]
    caption: str = ""
    captions: Sequence[str] = ()


def retrieval_sheet(rows: Sequence[RetrievalRow], path, *, title: str = "") -> None:
    """A sheet of queries and their nearest images; those of wrong classes are framed.

    Args:
        rows: the queries, e.g. each one clean and under attack.
        path: where to write the PNG.
        title: title of the sheet.

    References:
        Mao et al., "Metric Learning for Adversarial Robustness", Figure 4; Khan et al.
        (MPAT), Figure 4.
    """
    columns = max(len(row.images) for row in rows)
    width = _TEXT + (columns + 1) * _CELL + _GAP + _EDGE
    height = _TITLE + len(rows) * _ROW + _EDGE
    figure = Figure(figsize=(width, height), dpi=_DPI)
    figure.text(_EDGE / width, 1 - 0.12 / height, title, va="top", fontsize=10)
    top = height - _TITLE
    heads = [("query", _TEXT + _CELL / 2)]
    heads += [(str(k + 1), _left(k) + _CELL / 2) for k in range(columns)]
    for text, across in heads:
        place = (across - 0.04) / width, (top + 0.03) / height
        figure.text(*place, text, ha="center", fontsize=8.5, color="0.35")
    for number, row in enumerate(rows):
        bottom = top - (number + 1) * _ROW
        middle = (bottom + 0.24 + _CELL / 2) / height
        figure.text(_EDGE / width, middle, row.name, va="center", fontsize=8.5)
        _draw(figure, row.query, _TEXT, bottom, caption=row.caption)
        captions = row.captions or [""] * len(row.images)
        for k, picture in enumerate(row.images):
            right = bool(row.right[k])
            _draw(figure, picture, _left(k), bottom, caption=captions[k], right=right)
    figure.savefig(path)


def _left(k: int) -> float:
    return _TEXT + _CELL + _GAP + k * _CELL


def _draw(figure, picture, left, bottom, *, caption: str, right: bool = True) -> None:
    across, up = figure.get_size_inches()
    size = _CELL - 0.1
    place = (left / across, (bottom + 0.26) / up, size / across, size / up)
    axis = figure.add_axes(place)
    gray = picture.shape[-1] == 1
    picture = picture[..., 0] if gray else picture
    axis.imshow(picture, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axis.set(xticks=[], yticks=[])
    color, line = ("0.8", 0.6) if right else (_WRONG, 2.6)
    axis.spines[:].set(color=color, linewidth=line)
    ink = "0.3" if right else _WRONG
    caption = caption if right else f"{caption} ✗".strip()
    axis.set_xlabel(caption, fontsize=7.5, labelpad=3, color=ink)
