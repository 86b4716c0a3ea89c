"""What attacks do to classifiers: pictures of examples, and curves of accuracy."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

_RIGHT, _WRONG = "#1b7837", "#c51b7d"  # told apart by colour-blind readers, too


def adversarial_examples(
    images: Mapping[str, np.ndarray],
    predictions: Mapping[str, np.ndarray],
    labels: np.ndarray,
    path,
    *,
    title: str = "",
    class_names: Sequence[str] | None = None,
) -> None:
    """A sheet of pictures: one row per setting, one column per example.

    Args:
        images: by row title, arrays (N, H, W, C_in) in [0, 1].
        predictions: by row title, predicted classes (N,).
        labels: true classes (N,); the title of a picture is green where the prediction
            is right and red where it is wrong.
        path: where to write the PNG.
        title: title of the sheet.
        class_names: names of the classes; `None`: their numbers.
    """
    rows, columns = len(images), len(labels)
    names = class_names or [str(number) for number in range(1000)]
    figure = Figure(figsize=(1.05 * columns + 1.7, 1.28 * rows + 0.5), dpi=110)
    grid = figure.subplots(rows, columns, squeeze=False)
    for row, (name, pictures) in zip(grid, images.items(), strict=True):
        for column, axis in enumerate(row):
            picture = pictures[column]
            gray = picture.shape[-1] == 1
            axis.imshow(
                picture[..., 0] if gray else picture, cmap="gray", vmin=0, vmax=1
            )
            axis.set_xticks([])
            axis.set_yticks([])
            guess = int(predictions[name][column])
            right = guess == int(labels[column])
            color = _RIGHT if right else _WRONG
            mark = "" if right else " ✗"
            axis.set_title(f"{names[guess]}{mark}", color=color, fontsize=9, pad=3)
            for spine in axis.spines.values():
                spine.set(color=color, linewidth=1.6)
        row[0].set_ylabel(
            name, rotation=0, ha="right", va="center", labelpad=8, fontsize=9
        )
    figure.suptitle(title, fontsize=10)
    figure.tight_layout(rect=(0, 0, 1, 0.98))
    figure.savefig(path)


def robustness_curves(
    epsilons: Sequence[float],
    accuracies: Mapping[str, Sequence[float]],
    path,
    *,
    trained_at: float,
    title: str = "",
) -> None:
    """Accuracy under attack against epsilon, one curve per classifier.

    Args:
        epsilons: radii, in input units; the first is usually 0.
        accuracies: by classifier, one accuracy in [0, 1] per radius.
        path: where to write the PNG.
        trained_at: the epsilon of the training, drawn as a line.
        title: title of the figure.
    """
    figure = Figure(figsize=(5.2, 3.6), dpi=110)
    axis = figure.subplots()
    markers = "os^Dv"
    for number, (name, values) in enumerate(accuracies.items()):
        percent = 100 * np.asarray(values)
        axis.plot(epsilons, percent, marker=markers[number % 5], label=name)
    axis.axvline(trained_at, color="0.6", linestyle=":", linewidth=1.2)
    axis.text(trained_at, 2, " epsilon in training", color="0.4", fontsize=8)
    axis.set(xlabel="epsilon (Linf, input units)", ylabel="accuracy (%)")
    axis.set(ylim=(0, 102), title=title)
    axis.locator_params(axis="x", nbins=6)
    axis.grid(alpha=0.25)
    axis.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(path)


def trade_off(
    shares: Sequence[float],
    points: Sequence[tuple[float, float]],
    path,
    *,
    title: str = "",
) -> None:
    """Clean against robust accuracy along the way from one net to another.

    Args:
        shares: how far along, 0 to 1; written beside each point.
        points: (clean accuracy, robust accuracy) of each, in [0, 1].
        path: where to write the PNG.
        title: title of the figure.
    """
    figure = Figure(figsize=(5.2, 3.6), dpi=110)
    axis = figure.subplots()
    clean, robust = 100 * np.asarray(points).T
    axis.plot(clean, robust, marker="o", color="#2166ac")
    for share, *point in zip(shares, clean, robust, strict=True):
        axis.annotate(
            f"{share:g}", point, xytext=(5, 5), textcoords="offset points", fontsize=8
        )
    axis.set(xlabel="clean accuracy (%)", ylabel="accuracy under attack (%)")
    axis.set(title=title)
    axis.margins(0.1)
    axis.grid(alpha=0.25)
    figure.tight_layout()
    figure.savefig(path)


def accuracy_over_epochs(
    panels: Mapping[str, Mapping[str, Sequence[float]]],
    path,
    *,
    marks: Mapping[str, tuple[int, str]] | None = None,
    title: str = "",
) -> None:
    """Curves of accuracy against the epoch, one panel per training.

    Args:
        panels: by title of the panel, by name of the curve, accuracies in [0, 1] after
            epoch 1, 2, ...; a curve has the same color in each panel.
        path: where to write the PNG.
        marks: by title of the panel, (epoch, text) of a line to draw.
        title: title of the figure.
    """
    figure = Figure(figsize=(4.6 * len(panels) + 0.4, 3.8), dpi=110)
    axes = figure.subplots(1, len(panels), squeeze=False, sharex=True, sharey=True)[0]
    names = list(dict.fromkeys(name for curves in panels.values() for name in curves))
    for axis, (panel, curves) in zip(axes, panels.items(), strict=True):
        for name, values in curves.items():
            number = names.index(name)
            epochs, percent = range(1, len(values) + 1), 100 * np.asarray(values)
            axis.plot(epochs, percent, "os^Dv"[number % 5] + f"C{number}-", label=name)
        if marks and panel in marks:
            epoch, text = marks[panel]
            axis.axvline(epoch, color="0.6", linestyle=":", linewidth=1.2)
            axis.text(epoch, 2, f" {text}", color="0.4", fontsize=8)
        axis.set(xlabel="epoch", title=panel, ylim=(0, 102))
        axis.locator_params(axis="x", integer=True)
        axis.grid(alpha=0.25)
    axes[0].set_ylabel("accuracy (%)")
    lines, labels = axes[0].get_legend_handles_labels()
    figure.legend(
        lines, labels, loc="lower center", ncols=len(names), frameon=False, fontsize=9
    )
    figure.suptitle(title, fontsize=10)
    figure.tight_layout(rect=(0, 0.06, 1, 1))
    figure.savefig(path)
