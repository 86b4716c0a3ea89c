"""Maps of a latent space: clean and adversarial examples and prototypes as points."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from keras_mpat.evaluation.plots.colors import COLORS

_DPI = 110
_GRAY = "0.78"
_PALETTE = (*COLORS[:-1], "#222222")  # its gray is too near to that of no class
_KINDS: dict[str, dict[str, Any]] = {
    "clean": {"marker": "o", "s": 9, "alpha": 0.55, "linewidths": 0},
    "adversarial": {"marker": "^", "s": 20, "alpha": 0.85, "linewidths": 0.35},
    "prototype": {"marker": "*", "s": 190, "linewidths": 1.1, "zorder": 5},
}
_EDGES = {"clean": "none", "adversarial": "white", "prototype": "black"}


class MapLayer(NamedTuple):
    """Points of one kind.

    Attributes:
        kind: "clean" (dots), "adversarial" (triangles) or "prototype" (stars).
        points: (N, 2).
        classes: int (N,), which color them; `None`: gray.
        label: of the marker in the legend; "": the kind.
        color: of all points, instead of those of classes.
    """

    kind: str
    points: np.ndarray
    classes: np.ndarray | None = None
    label: str = ""
    color: str | None = None


def latent_map(
    panels: Mapping[str, Sequence[MapLayer]],
    path,
    *,
    class_names: Sequence[str] | None = None,
    title: str = "",
) -> None:
    """Draws maps side by side, on equal axes.

    Above ten classes, the ten with the most points have colors; the others are gray.

    Args:
        panels: by title, the layers of a map, drawn in order.
        path: where to write the PNG.
        class_names: names of the classes; `None`: their numbers.
        title: title of the figure.

    References:
        Mao et al., "Metric Learning for Adversarial Robustness", Figures 1 and 2; Khan
        et al. (MPAT), Figure 1.
    """
    colors = _colors([layer for layers in panels.values() for layer in layers])
    width = 4.6 * len(panels) + 0.3
    figure = Figure(figsize=(width, 5.5), dpi=_DPI, layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False, sharex=True, sharey=True)[0]
    for axis, (name, layers) in zip(axes, panels.items(), strict=True):
        for layer in layers:
            _draw_points(axis, layer, colors)
        axis.set_title(name, fontsize=9.5)
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set(color="0.8")
        axis.margins(0.03)
    names = class_names or [str(number) for number in range(max(colors, default=0) + 1)]
    classes = [_dot("o", colors[c], names[c]) for c in sorted(colors)]
    _legend(figure, classes, "lower", 5 * len(panels))
    kinds = _kinds([layer for layers in panels.values() for layer in layers])
    _legend(figure, kinds, "upper", 2 * len(panels), title)
    figure.savefig(path)


def _legend(figure, handles, side: str, columns: int, title: str = "") -> None:
    if handles:
        figure.legend(
            handles=handles,
            loc=f"outside {side} center",
            ncols=min(len(handles), columns),
            title=title or None,  # a title of the figure would lie upon it
            title_fontsize=10,
            frameon=False,
            fontsize=8,
            handletextpad=0.2,
            columnspacing=1.2,
        )


def _draw_points(axis, layer: MapLayer, colors: dict[int, str]) -> None:
    if layer.classes is None:
        shades = [layer.color or _GRAY] * len(layer.points)
    else:
        shades = [layer.color or colors.get(int(c), _GRAY) for c in layer.classes]
    style = _KINDS[layer.kind] | {"edgecolors": _EDGES[layer.kind]}
    # In an order of no meaning: no class covers another.
    order = np.random.default_rng(0).permutation(len(layer.points))
    points = np.asarray(layer.points)[order]
    axis.scatter(*points.T, c=[shades[n] for n in order], **style)


def _colors(layers: Sequence[MapLayer]) -> dict[int, str]:
    """Colors of the classes that are drawn in their own."""
    drawn = [np.asarray(layer.classes) for layer in layers if _by_class(layer)]
    if not drawn:
        return {}
    present, counts = np.unique(np.concatenate(drawn), return_counts=True)
    kept = np.sort(present[np.argsort(-counts, kind="stable")[: len(_PALETTE)]])
    if kept[-1] < len(_PALETTE):  # the same color on each picture
        return {int(c): _PALETTE[c] for c in kept}
    return {int(c): color for c, color in zip(kept, _PALETTE, strict=False)}


def _by_class(layer: MapLayer) -> bool:
    return layer.classes is not None and layer.color is None


def _kinds(layers: Sequence[MapLayer]) -> list[Line2D]:
    """One entry of the legend for each kind of points, or label of it."""
    entries = {}
    for layer in layers:
        color = layer.color or "white"
        label = layer.label or layer.kind
        entries[label] = _dot(_KINDS[layer.kind]["marker"], color, label, layer.kind)
    return list(entries.values())


def _dot(marker: str, color: str, label: str, kind: str = "clean") -> Line2D:
    size = {"clean": 5, "adversarial": 6, "prototype": 11}[kind]
    edge = "0.25" if color == "white" else color
    style: dict[str, Any] = {"linestyle": "none", "markersize": size}
    return Line2D(
        [], [], marker=marker, color=color, markeredgecolor=edge, label=label, **style
    )
