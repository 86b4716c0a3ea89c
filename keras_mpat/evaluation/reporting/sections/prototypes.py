"""What became of the prototypes: how many are left, and how close they are."""

from typing import Any

import numpy as np

from keras_mpat.evaluation.reporting.data import ReportData
from keras_mpat.evaluation.reporting.inline import vector
from keras_mpat.evaluation.reporting.page import Figure, Section
from keras_mpat.evaluation.reporting.runs import Run
from keras_mpat.evaluation.reporting.tables import Table


def section(runs: list[Run], data: ReportData | None) -> Section | None:
    """K_j over the epochs and the cosines, where prototypes merged."""
    parts: list[Any] = []
    for run in runs:
        if run.merging is not None:
            figures = [history_figure(run)]
            if run.merging["before"] is not None and run.merging["after"] is not None:
                figures.append(cosine_figure(run))
            parts.append(figures)
    if not parts:
        return None
    text = (
        "Prototypes of a class that come close become one, so their number tells how "
        "many modes the class has in the latent space."
    )
    return Section("Prototypes", "prototypes", text, parts)


def history_figure(run: Run) -> Figure:
    """Prototypes left per class over the epochs."""
    from keras_mpat.evaluation import plots

    history = run.merging["history"] if run.merging else []
    size = len(history[0]) if history else 0
    rows = [[epoch, *counts] for epoch, counts in enumerate(history, 1)]
    return Figure(
        f"{run.name}: prototypes left per class",
        "A line that ends flat has found its number; one that falls to 1 in an epoch "
        "has collapsed.",
        vector(
            lambda file: plots.prototype_history(history, file),
            name=f"prototypes {run.folder}",
        ),
        Table(
            f"prototypes_left_{run.name}",
            ["epoch", *(f"class {c}" for c in range(size))],
            rows,
        ),
    )


def cosine_figure(run: Run) -> Figure:
    """Cosines within each class before and after merging."""
    from keras_mpat.evaluation import plots

    merging = run.merging or {}
    before, after = (np.array(merging[k], "float64") for k in ("before", "after"))
    rows = [
        [when, c, first, second, cosines[c, first, second]]
        for when, cosines in (("before", before), ("after", after))
        for c, first, second in np.argwhere(np.isfinite(cosines))
        if first < second
    ]
    return Figure(
        f"{run.name}: cosines of prototypes",
        f"Pairs closer than {merging['threshold']:g} (framed) merge.",
        vector(
            lambda file: plots.prototype_similarities(
                before, after, file, threshold=merging["threshold"]
            ),
            name=f"cosines {run.folder}",
        ),
        Table(
            f"cosines_{run.name}",
            ["when", "class", "prototype", "other", "cosine"],
            [[w, int(c), int(i), int(j), float(v)] for w, c, i, j, v in rows],
        ),
    )
