"""How each run was trained: its settings, and its curves."""

import math
from typing import Any

from keras_mpat.evaluation.reporting.data import ReportData
from keras_mpat.evaluation.reporting.inline import vector
from keras_mpat.evaluation.reporting.markup import element
from keras_mpat.evaluation.reporting.page import Figure, Section
from keras_mpat.evaluation.reporting.runs import Run
from keras_mpat.evaluation.reporting.tables import Table

_ACCURACIES = {
    "accuracy": "training, on what the update saw",
    "val_accuracy": "validation, clean",
    "val_robust_accuracy": "validation, attacked",
    "val_worst_class_robust_accuracy": "validation, attacked, weakest class",
}
_MAIN = (
    "dataset",
    "model",
    "strategy",
    "head",
    "epochs",
    "epsilon",
    "steps",
    "prototypes_per_class",
    "merge_threshold",
    "head_weight",
    "optimizer",
    "learning_rate",
    "minutes of training",
    "device",
)
_PROBE = ("probe_fgsm_accuracy", "probe_robust_accuracy")  # of the guard
_LOSSES = ("loss", "ce_loss", "head_loss", "val_loss")


def section(runs: list[Run], data: ReportData | None) -> Section | None:
    """Settings side by side, and accuracy and loss over the epochs."""
    parts: list[Any] = []
    if any(run.record for run in runs):
        first, rest = settings_tables(runs)
        if first.rows:
            parts.append(first)
        if rest.rows:
            label = element("summary", f"{len(rest.rows)} more settings")
            parts.append(element("details", label, rest.to_html()))
    trained = [run for run in runs if run.history]
    parts += [[accuracy_figure(run), loss_figure(run)] for run in trained]
    parts += [gap_figure(run) for run in trained if set(_PROBE) <= set(run.history)]
    if not parts:
        return None
    text = "Settings that differ between runs come first."
    return Section("Training", "training", text if len(runs) > 1 else "", parts)


def settings_tables(runs: list[Run]) -> tuple[Table, Table]:
    """A row for each setting, a column for each run: what matters, and the rest.

    What differs between the runs matters; settings that none of them has are left out.
    """
    columns = [run.settings | _facts(run.record) for run in runs]
    names = list(dict.fromkeys(name for column in columns for name in column))
    rows = [[name, *(_plain(c.get(name)) for c in columns)] for name in names]
    rows = [row for row in rows if any(cell is not None for cell in row[1:])]
    differ = [row for row in rows if len(set(row[1:])) > 1]
    same = [row for row in rows if row not in differ]
    first = differ + [row for row in same if row[0] in _MAIN]
    rest = [row for row in same if row[0] not in _MAIN]
    header = ["setting", *(run.name for run in runs)]
    return Table("settings", header, first), Table("more_settings", header, rest)


def accuracy_figure(run: Run) -> Figure:
    """Accuracy over the epochs."""
    from keras_mpat.evaluation import plots

    curves = {k: run.history[k] for k in _ACCURACIES if k in run.history}
    named = {_ACCURACIES[name]: values for name, values in curves.items()}
    graphic = vector(
        lambda file: plots.lines(named, file, percent=True, label="accuracy (%)"),
        name=f"accuracy {run.folder}",
    )
    percents = {f"{k} (%)": [100 * v for v in vs] for k, vs in curves.items()}
    return Figure(
        f"{run.name}: accuracy over the epochs",
        "An attacked curve that falls while the clean one rises means overfitting to "
        "the attack of the training.",
        graphic,
        _columns(f"accuracy_{run.name}", percents),
    )


def loss_figure(run: Run) -> Figure:
    """Loss terms over the epochs."""
    from keras_mpat.evaluation import plots

    curves = {name: run.history[name] for name in _LOSSES if name in run.history}
    graphic = vector(
        lambda file: plots.lines(curves, file, label="loss"), name=f"loss {run.folder}"
    )
    return Figure(
        f"{run.name}: loss over the epochs",
        "loss = cross-entropy + λ1 · metric loss + λ2 · norm, on adversarial batches.",
        graphic,
        _columns(f"loss_{run.name}", curves),
    )


def gap_figure(run: Run) -> Figure:
    """What FGSM and the attack of `CatastrophicOverfittingGuard` left."""
    from keras_mpat.evaluation import plots

    weak, strong = (run.history[name] for name in _PROBE)
    percents = {f"{k} (%)": [100 * v for v in run.history[k]] for k in _PROBE}
    return Figure(
        f"{run.name}: gap between one step and many",
        "A gap that opens within an epoch or two is catastrophic overfitting.",
        vector(
            lambda file: plots.attack_gap(weak, strong, file), name=f"gap {run.folder}"
        ),
        _columns(f"gap_{run.name}", percents),
    )


def _columns(name: str, curves: dict[str, list[float]]) -> Table:
    rows = [
        [epoch, *(value if math.isfinite(value) else None for value in values)]
        for epoch, values in enumerate(zip(*curves.values(), strict=True), 1)
    ]
    return Table(name, ["epoch", *curves], rows)


def _facts(record: dict[str, Any]) -> dict[str, Any]:
    """What else run.json knows, as text."""
    found = {name: record[name] for name in ("parameters", "device") if name in record}
    if "seconds" in record:
        found["minutes of training"] = round(record["seconds"] / 60, 1)
    versions = record.get("versions", {})
    found |= {f"version of {name}": version for name, version in versions.items()}
    return found


def _plain(value: Any) -> str | None:
    if value is None:
        return None
    return f"{value:g}" if isinstance(value, float) else str(value)
