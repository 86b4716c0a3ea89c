"""Whether errors can be seen from the latent space: TLA's Figure 5."""

from typing import Any

from keras_mpat.evaluation.reporting.data import ReportData
from keras_mpat.evaluation.reporting.findings import DEAR
from keras_mpat.evaluation.reporting.inline import vector
from keras_mpat.evaluation.reporting.page import Figure, Section
from keras_mpat.evaluation.reporting.runs import Run
from keras_mpat.evaluation.reporting.tables import Table
from keras_mpat.evaluation.tables import describe


def section(runs: list[Run], data: ReportData | None) -> Section | None:
    """Areas and curves, for attacks that ignore the detector and that know it."""
    known = [run for run in runs if run.findings and run.findings.detection]
    if not known:
        return None
    done = [run for run in known if not isinstance(run.findings.detection, str)]
    findings = known[0].findings
    images = min(DEAR, len(findings.data.y))
    text = (
        "One Gaussian per class is fitted to the embeddings of clean training images; "
        f"low density means distrust. Of the first {images} test images, clean and "
        f"attacked with {describe(findings.stronger)}, the errors are to be found. An "
        "attack that knows the detector decides what it is worth; it counts where it "
        "is worse than the unaware one, image by image."
    )
    parts: list[Any] = [detection_table(done), roc_figure(done)] if done else []
    parts += [f"{r.name}: {r.findings.detection}" for r in known if r not in done]
    return Section("Detection", "detection", text, parts)


def detection_table(runs: list[Run]) -> Table:
    """Two rows per run: an unaware and an adaptive attack."""
    rows = [
        [
            run.name,
            attack,
            found.auc,
            100 * found.tpr,
            100 * found.adversarial_errors,
            100 * found.escaped,
        ]
        for run in runs
        for attack, found in run.findings.detection.items()
    ]
    header = [
        "run",
        "attack",
        "AUC",
        "errors rejected at 5 % false alarms (%)",
        "fooled (%)",
        "fooled and accepted (%)",
    ]
    return Table("detection", header, rows)


def roc_figure(runs: list[Run]) -> Figure:
    """A curve per run, one panel per attack."""
    from keras_mpat.evaluation import plots

    panels: dict[str, dict[str, Any]] = {}
    rows: list[list[Any]] = []
    for run in runs:
        for attack, found in run.findings.detection.items():
            panels.setdefault(f"{attack} attack", {})[run.name] = found.curve
            curve = found.curve
            rates = curve.false_positive_rate, curve.true_positive_rate
            points = zip(*rates, strict=True)
            rows += [[run.name, attack, float(f), float(t)] for f, t in points]
    return Figure(
        "Errors rejected against right answers rejected",
        "Above the diagonal is better than guessing; the area under the curve is the "
        "chance that an error is trusted less than a right answer.",
        vector(lambda file: plots.roc_curves(panels, file), name="roc"),
        Table("roc", ["run", "attack", "false alarms", "errors found"], rows),
    )
