"""Pictures of a finished run under attack: examples/evaluate.py draws them."""

from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
from run_directory import finished, read, source

import keras_mpat as mpat
from keras_mpat import attacks, backend, datasets


def examples(run_dir) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Ten test images of a run's data set: the first of each mode; their classes.

    Returns:
        x (10, H, W, C_in), y (10,), and names of the classes that fit a title.
    """
    where = source(read(run_dir))
    x, y, modes = datasets.arrays(split="test", **where)
    rank = np.zeros(len(modes), int)  # 0 for the first image of its mode, and so on
    for mode in np.unique(modes):
        rank[modes == mode] = np.arange(np.sum(modes == mode))
    rows = np.lexsort((modes, rank))[:10]
    titles = datasets.info(**where).class_names
    if max(map(len, titles)) > 10:
        titles = tuple(str(number) for number in range(len(titles)))
    return x[rows], y[rows], list(titles)


def attacked(run_dir, x, y, epsilons: Sequence[float], *, steps: int = 50) -> list:
    """For each epsilon, PGD's images (N, ...) and the classes (N,) predicted there."""
    classifier = keras.saving.load_model(finished(run_dir)[1], compile=False)
    attack = attacks.PGD(mpat.Linf(1.0), steps=steps)

    def images_and_logits(x, y, epsilon):
        x_adv = attack.scaled(epsilon)(classifier, x, y, seed=0)
        return x_adv, classifier(x_adv, training=False)

    compiled, sheets = backend.function(images_and_logits), []
    convert, to_numpy = keras.ops.convert_to_tensor, keras.ops.convert_to_numpy
    for epsilon in epsilons:  # as a tensor: one trace for all
        arguments = convert(x), convert(y), convert(epsilon, "float32")
        x_adv, logits = map(to_numpy, compiled(*arguments))
        sheets.append((x_adv, np.argmax(logits, axis=-1)))
    return sheets


def draw(run_dir, epsilon: float | str) -> Path:
    """Writes adversarial_examples.png: ten test images at several epsilons."""
    from keras_mpat.evaluation import plots

    x, y, titles = examples(run_dir)
    epsilons = [factor * mpat.Linf(epsilon).radius for factor in (0, 0.5, 1, 1.5)]
    unit, name = (1 / 255, "/255") if isinstance(epsilon, str) else (1, "")
    rows = [f"ε = {value / unit:.3g}{name}" for value in epsilons]
    rows[0] = "clean"
    sheets = attacked(run_dir, x, y, epsilons)
    path = Path(run_dir) / "adversarial_examples.png"
    plots.adversarial_examples(
        {row: images for row, (images, _) in zip(rows, sheets, strict=True)},
        {row: classes for row, (_, classes) in zip(rows, sheets, strict=True)},
        y,
        path,
        title="PGD-50: above each image the predicted class, ✗ where it is wrong",
        class_names=titles,
    )
    return path
