"""Where adversarial training leaves chance at all: a map over radius and learning rate.

    python examples/trainability.py --results results/trainability --minutes 95

Trains a small net on two classes with PGD-7, a constant learning rate and several
seeds at each point of a grid, in five ways, and judges it after the last epoch on
validation images. A training that collapsed names one class for every image: 50 %. One
small file per finished point, table.md and map.png. The same command continues after an
interruption; `--parts 2 --part 0` beside `--parts 2 --part 1` share the points.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cells as comparison
import keras
import numpy as np
from absl import app, flags
from keras import layers

import keras_mpat as mpat
from keras_mpat import datasets
from keras_mpat.evaluation import plots
from keras_mpat.files import write_text

EPSILONS = (0.1, 0.2, 0.3, 0.4)
RATES = (0.01, 0.03, 0.1, 0.3)
SEEDS = (0, 1, 2, 3, 4)
# By title: prototypes per class of a SoftTriple head, epochs of warm-up, whether the
# logits are cosines.
WAYS: dict[str, tuple[int | None, int, bool]] = {
    "PGD-AT": (None, 0, False),
    "+ warm-up": (None, 2, False),
    "+ SoftTriple, K = 1": (1, 0, False),
    "+ SoftTriple, K = 5": (5, 0, False),
    "+ cosine logits": (None, 0, True),
}
FILTERS, UNITS, BATCH, STEPS, SCALE = (16, 32), 128, 128, 7, 10.0
LEFT = 0.6  # clean accuracy from which a net of two classes has left chance


def classifier(cosine: bool, shape, filters, units: int) -> keras.Model:
    """A LeNet for two classes; its logits, or `SCALE` times cosines.

    Args:
        cosine: embedding and rows of the last layer have length 1, no bias.
        shape: of an image.
        filters, units: sizes of the net.
    """
    net = mpat.models.lenet(2, input_shape=shape, filters=filters, units=units)
    if not cosine:
        return net
    embedding = mpat.models.find_embedding(net)
    directions = layers.Dense(
        2, use_bias=False, kernel_constraint=keras.constraints.UnitNorm(axis=0)
    )
    length_one = layers.UnitNormalization()(embedding)
    return keras.Model(net.inputs[0], layers.Rescaling(SCALE)(directions(length_one)))


def train(way: str, epsilon: float, rate: float, seed: int, data, given) -> list[float]:
    """(clean, robust) validation accuracy after the last epoch of one training.

    Weights that are no numbers count as chance.

    Args:
        way: of `WAYS`.
        epsilon: radius, Linf.
        rate: of the learning, constant.
        seed: of weights, order and noise.
        data: ((x, y) of training, (x, y) of validation).
        given: `epochs`; `filters` and `units`, sizes of the net.
    """
    prototypes, warmup, cosine = WAYS[way]
    keras.utils.set_random_seed(seed)
    ball = mpat.Linf(epsilon)
    head = prototypes and mpat.SoftTripleHead(2, prototypes_per_class=prototypes)
    model = mpat.AdversarialModel(
        classifier(cosine, data[0][0].shape[1:], given.filters, given.units),
        strategy=mpat.training.PGDTraining(ball, steps=STEPS, warmup_epochs=warmup),
        head=head,
        validation_attack=mpat.attacks.PGD(ball, steps=10),
        seed=seed,
    )
    model.compile(keras.optimizers.SGD(rate, momentum=0.9), metrics=["accuracy"])
    train_data, held = data
    batches = datasets.from_arrays(
        *train_data, batch_size=BATCH, shuffle=True, seed=seed, drop_remainder=True
    )
    model.fit(batches, epochs=given.epochs, shuffle=False, verbose=0)
    found = model.evaluate(*held, batch_size=BATCH, verbose=0, return_dict=True)
    pair = [float(found[name]) for name in ("accuracy", "robust_accuracy")]
    return pair if math.isfinite(found["loss"]) else [0.5, 0.5]


def share(outcomes) -> float:
    """Of seeds whose net has left chance."""
    return float(np.mean([clean >= LEFT for clean, _ in outcomes]))


def table(results: Mapping[tuple[str, float, float], dict[str, Any]]) -> str:
    """Markdown, a table for each way: share of the seeds, mean robust accuracy.

    Args:
        results: by (way, epsilon, rate), as the cells have them.
    """
    text = (
        "Share of the seeds whose clean validation accuracy after the last epoch is at "
        f"least {100 * LEFT:.0f} %; in brackets their mean accuracy under PGD-10.\n"
    )
    for way in WAYS:
        lines = [["epsilon", *(f"rate {rate:g}" for rate in RATES)]]
        for epsilon in EPSILONS:
            row = [f"{epsilon:g}"]
            for rate in RATES:
                found = results.get((way, epsilon, rate))
                row.append("" if found is None else _said(found["outcomes"]))
            lines.append(row)
        text += f"\n**{way}**\n\n{comparison.markdown(lines)}"
    return text


def _said(outcomes) -> str:
    robust = [robust for clean, robust in outcomes if clean >= LEFT]
    mean = f" ({100 * np.mean(robust):.0f})" if robust else ""
    return f"{len(robust)} of {len(outcomes)}{mean}"


def draw(results: Mapping[tuple[str, float, float], dict[str, Any]], path) -> None:
    """The map of all ways.

    Args:
        results: as of `table`.
        path: where to write.
    """
    panels = {way: np.full((len(EPSILONS), len(RATES)), np.nan) for way in WAYS}
    for (way, epsilon, rate), found in results.items():
        place = EPSILONS.index(epsilon), RATES.index(rate)
        panels[way][place] = share(found["outcomes"])
    plots.share_map(
        panels,
        path,
        rows=[f"{epsilon:g}" for epsilon in EPSILONS],
        columns=[f"{rate:g}" for rate in RATES],
        row_label="epsilon",
        column_label="learning rate",
        label="seeds that leave chance",
    )


def compare(given) -> str:
    """Trains at the missing points; returns the table of those that are done.

    Raises:
        ValueError: a data set of other than two classes, or filters that are none.
    """
    given.filters = comparison.integers("filters", given.filters)
    classes = datasets.info(given.dataset).num_classes
    if classes != 2:
        raise ValueError(
            "`dataset` must have two classes, of which a collapsed net names one. "
            f"Received: dataset={given.dataset}, with {classes}. Pass mnist_2."
        )
    points = {
        f"{number}-e{epsilon:g}-r{rate:g}": (way, epsilon, rate)
        for epsilon in EPSILONS
        for rate in RATES
        for number, way in enumerate(WAYS)
    }
    sizes = {
        name: getattr(given, name)
        for name in ("dataset", "train_examples", "epochs", "filters", "units")
    }
    sizes["seeds"] = list(SEEDS[: given.seeds])
    listed = [
        comparison.Cell(
            name, f"{way}, epsilon {epsilon}, rate {rate}", {**sizes, "way": way}
        )
        for name, (way, epsilon, rate) in points.items()
    ]
    data: list = []

    def measured(cell: comparison.Cell) -> dict[str, Any]:
        if not data:
            data.extend(_arrays(given))
        way, epsilon, rate = points[cell.name]
        return {
            "outcomes": [
                train(way, epsilon, rate, seed, data, given) for seed in sizes["seeds"]
            ]
        }

    folder = Path(given.results)
    found = comparison.finish(listed, measured, folder / "cells", given)
    results = {points[name]: values for name, values in found.items()}
    text = table(results)
    write_text(folder / "table.md", text)
    if results:
        draw(results, folder / "map.png")
    return text


def _arrays(given) -> list:
    options = {"data_dir": given.data_dir, "validation": 512}
    found = []
    for split, count in (("train", given.train_examples), ("validation", None)):
        x, y, _ = datasets.arrays(given.dataset, split, **options)
        found.append((x[:count], y[:count]))
    return found


def main(_) -> None:
    """Makes the map as the flags say."""
    comparison.say(compare)


if __name__ == "__main__":
    comparison.define_flags(run_dir="runs/trainability", results="results/trainability")
    flags.DEFINE_string("dataset", "mnist_2", "Data set of two classes.")
    flags.DEFINE_integer("train_examples", 6000, "Training images.", lower_bound=BATCH)
    flags.DEFINE_integer("epochs", 3, "Passes over them.", lower_bound=1)
    flags.DEFINE_integer("seeds", 5, "Trainings at each point.", 1, len(SEEDS))
    flags.DEFINE_list("filters", [str(n) for n in FILTERS], "Of both convolutions.")
    flags.DEFINE_integer("units", UNITS, "Of the dense layer.", lower_bound=1)
    app.run(main)
