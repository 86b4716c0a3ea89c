"""Which classes and modes are weak, and what they are taken for."""

from typing import Any

import numpy as np

from keras_mpat.evaluation.latent import class_accuracies, confusion, mode_accuracies
from keras_mpat.evaluation.reporting.data import ReportData
from keras_mpat.evaluation.reporting.inline import vector
from keras_mpat.evaluation.reporting.page import Figure, Section
from keras_mpat.evaluation.reporting.runs import Run
from keras_mpat.evaluation.reporting.tables import Shown, Table
from keras_mpat.evaluation.result import percent
from keras_mpat.evaluation.tables import describe


def section(runs: list[Run], data: ReportData | None) -> Section | None:
    """Accuracy by class and by mode, and confusions."""
    runs = [run for run in runs if run.findings is not None]
    if not runs or data is None:
        return None
    parts: list[Any] = [group_table(runs, "class", data.class_names, class_accuracies)]
    if data.modes is not None:
        parts.append(group_table(runs, "mode", data.mode_names, mode_accuracies))
    parts += [confusion_figure(run, data) for run in runs]
    text = (
        "Percent right without an attack and under PGD-20 in "
        f"{describe(runs[0].findings.threat_model)}, the attack of all that "
        "follows. A robust model of several modes is no better than its weakest one."
    )
    return Section("Classes", "classes", text, parts)


def group_table(runs: list[Run], kind: str, names, accuracies) -> Table:
    """A row per class or mode, two columns per run."""
    rows: dict[int, list[Any]] = {}
    for run in runs:
        found = accuracies(run.findings.latent)
        counts = zip(found.groups, found.counts, found.clean, found.robust, strict=True)
        for group, count, clean, robust in counts:
            row = rows.setdefault(int(group), [names[group], int(count)])
            row += [_share(clean, count), _share(robust, count)]
    columns = [f"{r.name}, {w} (%)" for r in runs for w in ("clean", "attacked")]
    return Table(
        f"{kind}es" if kind == "class" else f"{kind}s",
        [kind, "images", *columns],
        list(rows.values()),
    )


def confusion_figure(run: Run, data: ReportData) -> Figure:
    """Confusions without and under attack."""
    from keras_mpat.evaluation import plots

    found = run.findings.latent
    counts = {
        "clean": confusion(found.y, found.clean_predicted, found.num_classes),
        "attacked": confusion(found.y, found.adversarial_predicted, found.num_classes),
    }
    names = [plots.short(name) for name in data.class_names[: found.num_classes]]
    rows = [
        [when, data.class_names[true], data.class_names[guess], int(table[true, guess])]
        for when, table in counts.items()
        for true, guess in np.argwhere(table)
    ]
    return Figure(
        f"{run.name}: what is taken for what",
        "Rows are true classes, columns predictions, in percent of the row.",
        vector(
            lambda file: plots.confusion_matrix(counts, file, class_names=names),
            name=f"confusion {run.folder}",
        ),
        Table(f"confusion_{run.name}", ["when", "true", "predicted", "images"], rows),
    )


def _share(right, count) -> Shown:
    return Shown(100 * int(right) / int(count), percent(int(right), int(count)))
