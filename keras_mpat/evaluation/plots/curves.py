"""Curves of attacks and detectors: accuracy, ROC, and the gap between two attacks."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from keras_mpat.evaluation.curves import AccuracyCurve
from keras_mpat.evaluation.detection import RocCurve
from keras_mpat.evaluation.plots.colors import COLORS, MARKERS

_DPI = 110
_STYLES = ("-", "--", "-.", ":")


def roc_curves(
    panels: Mapping[str, Mapping[str, RocCurve]], path, *, title: str = ""
) -> None:
    """ROC curves side by side, with their areas in the legends.

    Args:
        panels: by title of the panel, by name, the curves: e.g. data sets, methods.
            Those of the same name look the same in each panel.
        path: where to write the PNG.
        title: title of the figure.
    """
    names = list(dict.fromkeys(name for curves in panels.values() for name in curves))
    height = 4.6 + 0.2 * len(names) + 0.3 * bool(title)  # legends stand below
    shape = (3.9 * len(panels) + 0.4, height)
    figure = Figure(figsize=shape, dpi=_DPI, layout="constrained")
    figure.get_layout_engine().set(h_pad=0.1, w_pad=0.1)
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for axis, (panel, curves) in zip(axes, panels.items(), strict=True):
        axis.plot([0, 1], [0, 1], color="0.7", linewidth=1, linestyle=":")
        for name, curve in curves.items():
            number = names.index(name)
            axis.plot(
                curve.false_positive_rate,
                curve.true_positive_rate,
                color=COLORS[number % len(COLORS)],
                linestyle=_STYLES[number % len(_STYLES)],
                linewidth=1.8,
                label=f"{name}: AUC {curve.auc:.3f}",
            )
        axis.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), box_aspect=1)
        axis.set(xlabel="right answers rejected", title=panel)
        below = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.14)}
        axis.legend(frameon=False, fontsize=8.5, **below)
        _clean(axis)
    axes[0].set_ylabel("errors rejected")
    figure.suptitle(title or None, fontsize=11)
    figure.savefig(path)


def accuracy_curves(
    curves: Mapping[str, AccuracyCurve], path, *, title: str = ""
) -> None:
    """Accuracy against the parameter of an attack, with 95 % intervals.

    The line is the running worst case; where the attack alone is weaker, a small mark
    above it says so. Against epsilon the curves begin at the clean accuracy.

    Args:
        curves: by name, all of the same parameter.
        path: where to write the PNG.
        title: title of the figure.
    """
    figure = Figure(figsize=(5.6, 3.9), dpi=_DPI, layout="constrained")
    axis = figure.subplots()
    first = next(iter(curves.values()))
    for number, (name, curve) in enumerate(curves.items()):
        color = COLORS[number % len(COLORS)]
        values, percent = np.array(curve.values), 100 * curve.accuracy
        low, high = 100 * np.array(curve.intervals).T
        axis.fill_between(values, low, high, color=color, alpha=0.15, linewidth=0)
        marker = MARKERS[number % len(MARKERS)]
        raw = 100 * curve.raw_accuracy
        weaker = raw > percent
        alone = {"color": color, "markersize": 5, "linestyle": "", "marker": "x"}
        label = f"{name}: this attack alone" if np.any(weaker) else None
        axis.plot(values[weaker], raw[weaker], label=label, **alone)
        if curve.parameter == "epsilon":
            values = np.append(0, values)
            percent = np.append(100 * curve.clean_accuracy, percent)
        axis.plot(values, percent, color=color, marker=marker, markersize=4, label=name)
    axis.set(ylim=(0, 102), ylabel="accuracy (%)", xlabel=first.parameter, title=title)
    if first.parameter != "epsilon" and max(first.values) > 20 * min(first.values):
        axis.set_xscale("log")
        axis.set_xticks(first.values, [f"{value:g}" for value in first.values])
        axis.minorticks_off()
    elif first.parameter != "epsilon":
        axis.locator_params(axis="x", integer=True)
    axis.legend(frameon=False, fontsize=8.5)
    _clean(axis)
    figure.savefig(path)


def attack_gap(
    weak: Sequence[float],
    strong: Sequence[float],
    path,
    *,
    names: tuple[str, str] = ("FGSM", "PGD"),
    title: str = "",
) -> None:
    """Accuracy under a weak and a strong attack over training, and what lies between.

    A gap that opens within an epoch or two is catastrophic overfitting.

    Args:
        weak: accuracies in [0, 1] under the weak attack after epoch 1, 2, ....
        strong: those under the strong attack.
        path: where to write the PNG.
        names: of the two attacks.
        title: title of the figure.
    """
    figure = Figure(figsize=(5.6, 3.7), dpi=_DPI, layout="constrained")
    axis = figure.subplots()
    epochs = np.arange(1, len(weak) + 1)
    above, below = 100 * np.asarray(weak), 100 * np.asarray(strong)
    axis.fill_between(epochs, below, above, color="0.88", linewidth=0, label="gap")
    for number, (name, values) in enumerate(zip(names, (above, below), strict=True)):
        marker = MARKERS[number]
        style = {"color": COLORS[number], "marker": marker, "markersize": 4}
        axis.plot(epochs, values, label=name, **style)  # type: ignore[arg-type]
    widest = int(np.argmax(above - below))
    text = f" {above[widest] - below[widest]:.1f} points "
    middle = (above[widest] + below[widest]) / 2
    side = "right" if widest > len(weak) / 2 else "left"
    axis.text(epochs[widest], middle, text, fontsize=8.5, color="0.25", ha=side)
    ends = below[widest], above[widest]
    axis.plot([epochs[widest]] * 2, ends, color="0.4", linewidth=1, linestyle=":")
    axis.set(ylim=(0, 102), xlabel="epoch", ylabel="accuracy (%)", title=title)
    axis.locator_params(axis="x", integer=True)
    axis.legend(frameon=False, fontsize=8.5)
    _clean(axis)
    figure.savefig(path)


def _clean(axis) -> None:
    axis.grid(alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)
