"""What the latent space finds for an image, clean and under attack."""

from typing import Any

from keras_mpat.evaluation.reporting.data import ReportData
from keras_mpat.evaluation.reporting.inline import photograph
from keras_mpat.evaluation.reporting.page import Figure, Section
from keras_mpat.evaluation.reporting.runs import Run
from keras_mpat.evaluation.reporting.tables import Table

_SHOWN = 5


def section(runs: list[Run], data: ReportData | None) -> Section | None:
    """Precision of retrieval, and a sheet of pictures."""
    runs = [run for run in runs if run.findings is not None]
    if not runs or data is None or len(data.y) < 2:
        return None
    parts: list[Any] = [precision_table(runs)]
    if data.pictures:
        parts.append([retrieval_figure(run, data) for run in runs])
    text = (
        "The clean test images nearest to each test image by cosine, itself left out. "
        "Precision@k is the share of the k nearest that are of its class, over all."
    )
    return Section("Retrieval", "retrieval", text, parts)


def precision_table(runs: list[Run]) -> Table:
    """Precision@k, two rows per run."""
    rows = [
        [run.name, when, *(100 * float(value) for value in found.precision)]
        for run in runs
        for when, found in zip(
            ("clean", "attacked"), run.findings.retrieved, strict=True
        )
    ]
    columns = [f"precision@{k + 1} (%)" for k in range(len(rows[0]) - 2)]
    return Table("retrieval", ["run", "queries", *columns], rows)


def retrieval_figure(run: Run, data: ReportData) -> Figure:
    """The first images of different classes, clean and attacked."""
    from keras_mpat.evaluation import plots

    chosen: dict[int, int] = {}
    for row, label in enumerate(data.y[: len(run.findings.pictures)]):
        chosen.setdefault(int(label), row)
    sheet = []
    pairs = zip(
        ("clean", "attacked"),
        (data.x, run.findings.pictures),
        run.findings.retrieved,
        strict=True,
    )
    pairs = list(pairs)
    for label, row in list(chosen.items())[:_SHOWN]:
        for when, images, found in pairs:
            sheet.append(
                plots.RetrievalRow(
                    name=f"{plots.short(data.class_names[label])}\n{when}",
                    query=images[row],
                    images=data.x[found.rows[row]],
                    right=found.right[row],
                )
            )
    return Figure(
        f"{run.name}: nearest images",
        "Left the query, then the nearest test images; framed red if they are of "
        "another class.",
        photograph(
            lambda file: plots.retrieval_sheet(sheet, file),
            alt=f"Queries of {run.name} and the images nearest to them",
        ),
    )
