"""What became of the prototypes: how many are left, and how close they are."""

from typing import Any

import numpy as np

from keras_mpat.evaluation.prototypes import nearest_images
from keras_mpat.evaluation.reporting.data import ReportData
from keras_mpat.evaluation.reporting.inline import photograph, vector
from keras_mpat.evaluation.reporting.page import Figure, Section
from keras_mpat.evaluation.reporting.runs import Run
from keras_mpat.evaluation.reporting.tables import Table

_SHOWN = 30  # prototypes on a sheet


def section(runs: list[Run], data: ReportData | None) -> Section | None:
    """K_j over the epochs and the cosines, where prototypes merged."""
    parts: list[Any] = []
    for run in runs:
        if run.merging is not None:
            figures = [history_figure(run)]
            if run.merging["before"] is not None and run.merging["after"] is not None:
                figures.append(cosine_figure(run))
            parts.append(figures)
    known = [run for run in runs if run.findings and run.findings.modes]
    if known and data is not None:
        parts.insert(0, prototype_table(known, data))
        if data.pictures:
            parts += [sheet_figure(run, data) for run in known]
    if not parts:
        return None
    text = (
        "Prototypes of a class that come close become one, so their number tells how "
        "many modes the class has in the latent space."
    )
    return Section("Prototypes", "prototypes", text, parts)


def prototype_table(runs: list[Run], data: ReportData) -> Table:
    """A row per prototype: how many test images are nearest to it, and which."""
    names = data.mode_names
    rows = []
    for run in runs:
        found = run.findings.modes
        for c, slot, counts in zip(
            found.classes, found.slots, found.counts, strict=True
        ):
            size, label = int(counts.sum()), data.class_names[c]
            share = 100 * float(counts.max()) / size if size else None
            top = names[int(counts.argmax())] if size else None
            rows.append([run.name, label, int(slot), size, top, share])
    header = ["run", "class", "prototype", "images", "mostly", "of these (%)"]
    return Table("prototypes", header, rows)


def sheet_figure(run: Run, data: ReportData) -> Figure:
    """The test images nearest to each prototype."""
    from keras_mpat.evaluation import plots

    fine = data.y if data.modes is None else data.modes
    findings = run.findings
    nearest = nearest_images(findings.model, data.x, data.y)
    rows = plots.prototype_rows(
        findings.modes,
        nearest,
        data.x,
        fine,
        class_names=data.class_names,
        mode_names=data.mode_names,
    )
    found = findings.modes
    return Figure(
        f"{run.name}: images nearest to each prototype",
        f"Purity {100 * found.purity:.1f} % against {100 * found.purity_of_one:.1f} % "
        "of one prototype per class: how well prototypes match the fine labels, which "
        "the training did not see."
        + (f" The first {_SHOWN} of {len(rows)}." if len(rows) > _SHOWN else ""),
        photograph(
            lambda file: plots.prototype_sheet(rows[:_SHOWN], file),
            alt=f"Images nearest to the prototypes of {run.name}",
        ),
    )


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
