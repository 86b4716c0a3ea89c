"""The latent space under attack: TLA's Tables 2 and 3, and a map."""

from typing import Any

import numpy as np

from keras_mpat.evaluation.reporting.data import ReportData
from keras_mpat.evaluation.reporting.findings import NEIGHBORS
from keras_mpat.evaluation.reporting.inline import photograph
from keras_mpat.evaluation.reporting.model_on_data import MAPPED
from keras_mpat.evaluation.reporting.page import Figure, Section
from keras_mpat.evaluation.reporting.runs import Run
from keras_mpat.evaluation.reporting.tables import Table

_MEANING = (
    "r: how far misclassified adversarial images lie from the class they are taken "
    "for, measured by its width; the higher, the less the attack gets into the class. "
    "True class: the same against their own class; the lower the better. Nearest "
    f"neighbors: the class by a vote of the {NEIGHBORS} nearest training images, or "
    "of all, if there are fewer."
)


def section(runs: list[Run], data: ReportData | None) -> Section | None:
    """Ratios, neighbors and maps."""
    runs = [run for run in runs if run.findings is not None]
    if not runs or data is None:
        return None
    mapped = [run for run in runs if run.findings.places is not None]
    parts: list[Any] = [latent_table(runs), [map_figure(run, data) for run in mapped]]
    return Section("Latent space", "latent", _MEANING, parts)


def latent_table(runs: list[Run]) -> Table:
    """TLA's Tables 2 and 3, a row per run."""
    rows = []
    for run in runs:
        false, true = run.findings.ratio.false_class, run.findings.ratio.true_class
        neighbors = run.findings.neighbors or (None, None)
        shares = [None if share is None else 100 * share for share in neighbors]
        ratios = [_finite(false.ratio), _finite(true.ratio)]
        rows.append([run.name, *ratios, false.skipped, *shares])
    return Table(
        "latent",
        [
            "run",
            "r, false class",
            "r, true class",
            "classes without r",
            "neighbors, clean (%)",
            "neighbors, attacked (%)",
        ],
        rows,
    )


def map_figure(run: Run, data: ReportData) -> Figure:
    """Clean and attacked images and prototypes on one map."""
    from keras_mpat.evaluation import plots

    found, places = run.findings.latent, run.findings.places
    guesses = found.adversarial_predicted[:MAPPED]
    truth = found.y[:MAPPED]
    fooled = guesses != truth
    moved = places["adversarial"]
    layers = [
        plots.MapLayer("clean", places["clean"], truth),
        plots.MapLayer("adversarial", moved[fooled], guesses[fooled], label="fooled"),
    ]
    rows = [
        [kind, float(x), float(y), data.class_names[c], data.class_names[g]]
        for kind, points, guessed in (
            ("clean", places["clean"], found.clean_predicted[:MAPPED]),
            ("attacked", moved, guesses),
        )
        for (x, y), c, g in zip(points, truth, guessed, strict=True)
    ]
    if run.findings.prototypes is not None:
        classes = run.findings.prototypes[1]
        layers.append(plots.MapLayer("prototype", places["prototypes"], classes))
        rows += [
            ["prototype", float(x), float(y), data.class_names[c], None]
            for (x, y), c in zip(places["prototypes"], classes, strict=True)
        ]
    names = [plots.short(name) for name in data.class_names]
    return Figure(
        f"{run.name}: t-SNE of the first {len(truth)} test images",
        "Dots: clean images in the color of their class. Triangles: attacked images "
        "that fooled the model, in the color of the class they are taken for. Stars: "
        "prototypes. Who is near whom counts; distances between clusters say little.",
        photograph(
            lambda file: plots.latent_map({"": layers}, file, class_names=names),
            alt=f"Map of the latent space of {run.name}",
        ),
        Table(f"map_{run.name}", ["kind", "x", "y", "class", "predicted"], rows),
    )


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
