"""Accuracy against the size and the effort of an attack, and the loss around images."""

from typing import Any

import numpy as np

from keras_mpat.evaluation.reporting.data import ReportData
from keras_mpat.evaluation.reporting.findings import DEAR
from keras_mpat.evaluation.reporting.inline import photograph, vector
from keras_mpat.evaluation.reporting.model_on_data import STEPS
from keras_mpat.evaluation.reporting.page import Figure, Section
from keras_mpat.evaluation.reporting.runs import Run
from keras_mpat.evaluation.reporting.tables import Table
from keras_mpat.evaluation.tables import describe

_READING = {
    "epsilon": "Accuracy must fall to nothing as the ball grows: a curve that stays up "
    "means an attack that fails.",
    "steps": "A curve that still falls at the right end says that more steps would "
    "find more: the accuracy is an upper bound.",
    "restarts": "More runs from random points that still find more mean the same.",
}


def section(runs: list[Run], data: ReportData | None) -> Section | None:
    """Curves of all runs in one figure each, a loss surface per run."""
    runs = [run for run in runs if run.findings is not None]
    if not runs:
        return None
    findings = runs[0].findings
    drawn = list(_READING)
    if np.ndim(findings.threat_model.radius):
        drawn.remove("epsilon")  # a radius per feature is no axis
    parts: list[Any] = [[curve_figure(runs, parameter) for parameter in drawn]]
    parts.append(surface_figure(runs))
    count, ball = min(DEAR, len(findings.data.y)), describe(findings.threat_model)
    text = (
        f"PGD with {STEPS} steps in {ball}, but for what varies, on the first {count} "
        "test images."
    )
    return Section("Curves", "curves", text, parts)


def curve_figure(runs: list[Run], parameter: str) -> Figure:
    """Accuracy against a parameter of the attack."""
    from keras_mpat.evaluation import plots

    curves = {run.name: run.findings.curve(parameter) for run in runs}
    rows = [
        [name, point[parameter], 100 * point["accuracy"], 100 * point["raw_accuracy"]]
        for name, curve in curves.items()
        for point in curve.rows()
    ]
    return Figure(
        f"Accuracy against {parameter}",
        _READING[parameter],
        vector(
            lambda file: plots.accuracy_curves(curves, file), name=f"curve {parameter}"
        ),
        Table(
            f"accuracy_{parameter}",
            ["run", parameter, "worst case so far (%)", "this attack alone (%)"],
            rows,
        ),
    )


def surface_figure(runs: list[Run]) -> Figure:
    """The loss along the attack's direction and a random one."""
    from keras_mpat.evaluation import plots

    surfaces = {run.name: run.findings.surface for run in runs}
    rows = [
        [name, float(a), float(b), float(surface.loss[i, j])]
        for name, surface in surfaces.items()
        for i, a in enumerate(surface.shares)
        for j, b in enumerate(surface.shares)
    ]
    return Figure(
        "Loss around images",
        f"Mean over the first {next(iter(surfaces.values())).n}. Smooth and rising "
        "toward the attack is as it should be; ragged means that gradients mislead the "
        "attack.",
        photograph(
            lambda file: plots.loss_surfaces(surfaces, file), alt="Loss surfaces"
        ),
        Table("loss_surface", ["run", "toward attack", "random", "loss"], rows),
    )
