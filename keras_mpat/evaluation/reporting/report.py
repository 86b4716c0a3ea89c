"""`report`: a page about runs, and the same figures as Markdown and LaTeX."""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

from keras_mpat import files
from keras_mpat.configurable import check_count, check_switch
from keras_mpat.evaluation.loading import training_model
from keras_mpat.evaluation.reporting.data import ReportData, checked_data
from keras_mpat.evaluation.reporting.findings import Findings
from keras_mpat.evaluation.reporting.page import Section, page
from keras_mpat.evaluation.reporting.runs import Run, read_run
from keras_mpat.evaluation.reporting.sections import CHAPTERS
from keras_mpat.evaluation.reporting.sections.verdict import comparisons, lead, summary
from keras_mpat.evaluation.reporting.tables import in_markdown
from keras_mpat.threat_models import Linf, ThreatModel, check_threat_model
from keras_mpat.version import __version__


def report(
    run_dir: str | os.PathLike,
    data=None,
    *,
    compare: Sequence[str | os.PathLike] = (),
    threat_model: ThreatModel | None = None,
    path: str | os.PathLike | None = None,
    class_names: Sequence[str] | None = None,
    mode_names: Sequence[str] | None = None,
    batch_size: int = 128,
    seed: int = 0,
    verbose: bool = True,
) -> Path:
    """Writes one self-contained HTML page about a run, or several side by side.

    On top is the verdict: the worst case of all evaluations in the run directory
    (`evaluation*.json` of these weights), with what was run and what an audit says.
    With data follow classes, latent space, retrieval, detection, curves and modes
    of prototypes, from a PGD of 20 steps. The work of attacks is kept in the run
    directory: the same call continues after an interruption.

    Args:
        run_dir: folder of a run; one made by hand needs classifier.keras or
            model.keras only.
        data: test images (x, y) or (x, y, modes), or {"test": those, "train": (x, y)},
            of which nearest neighbors and detection need the training images (the
            first 20 000 count). Default None: only what the folder holds.
        compare: folders of other runs, side by side with the first, on the same data.
        threat_model: of the attack on `data`. Default None: that of the training of
            the first run that had one.
        path: where to write, ".html". Default None: report.html in `run_dir`. Tables
            are written beside it as .md and .tex.
        class_names: names of the classes by number.
        mode_names: names of the fine labels by number.
        batch_size: images per batch, >= 1.
        seed: seed of the attack's noise, >= 0.
        verbose: show progress bars with the time left.

    Returns:
        Where the page is.

    Raises:
        ValueError: no run, images that do not fit its model, or no threat model.
        ImportError: without matplotlib (the extra "report").
    """
    check_count("batch_size", batch_size, "128 suits most.")
    check_count("seed", seed, "Pass seed=0.", minimum=0)
    check_switch("verbose", verbose)
    if threat_model is not None:
        check_threat_model(threat_model)
    path = Path(path or Path(run_dir) / "report.html")
    if path.suffix != ".html":
        raise ValueError(
            f"`path` must end in .html. Received: path={os.fspath(path)!r}. Pass "
            "path='report.html'."
        )
    runs = _named_runs([run_dir, *compare])
    size = max(run.num_classes for run in runs)
    images = checked_data(data, class_names, mode_names, num_classes=size)
    if images is not None:
        ball = threat_model or _trained_against(runs)
        options = {"batch_size": batch_size, "seed": seed, "verbose": verbose}
        runs = [_with_findings(run, images, ball, options) for run in runs]
    sections = [s for chapter in CHAPTERS if (s := chapter(runs, images)) is not None]
    _write(path, runs, sections)
    return path


def _named_runs(folders) -> list[Run]:
    """The runs of these folders; equal names get a number."""
    runs: list[Run] = []
    for folder in folders:
        run, number = read_run(folder), 1
        names = {other.name for other in runs}
        while (name := run.name if number == 1 else f"{run.name} ({number})") in names:
            number += 1
        runs.append(dataclasses.replace(run, name=name))
    return runs


def _trained_against(runs: list[Run]) -> ThreatModel:
    """The threat model of the first run that was trained with one."""
    for run in runs:
        model = training_model(run.model)
        found = model and model.strategy.threat_model
        if found is None and run.record.get("epsilon"):
            found = Linf(run.record["epsilon"])
        if found is not None:
            return found
    raise ValueError(
        "`threat_model` must be given where no run was trained with one. Received: "
        "threat_model=None. Pass keras_mpat.Linf('8/255')."
    )


def _with_findings(run: Run, images: ReportData, ball, options) -> Run:
    found = Findings(run.folder, run.model, images, ball, **options)
    return dataclasses.replace(run, findings=found)


def _write(path: Path, runs: list[Run], sections: list[Section]) -> None:
    title = " · ".join(run.name for run in runs)
    texts = {
        ".html": page(title, lead(runs), sections, foot=f"keras_mpat {__version__}"),
        ".md": _markdown(title, runs, sections),
        ".tex": _latex(runs, sections),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    for suffix, text in texts.items():
        files.write_text(path.with_suffix(suffix), text)


def _markdown(title: str, runs: list[Run], sections: list[Section]) -> str:
    sentences = map(in_markdown, comparisons(runs))
    parts = [f"# {in_markdown(title)}", summary(runs).to_markdown(), *sentences]
    for section in sections:
        parts += [f"## {section.title}", in_markdown(section.text)]
        parts += [table.to_markdown() for table in section.tables]
    return "\n\n".join(part for part in parts if part) + "\n"


def _latex(runs: list[Run], sections: list[Section]) -> str:
    parts = ["% needs \\usepackage{booktabs}", "% verdict", summary(runs).to_latex()]
    for section in sections:
        for table in section.tables:
            parts += [f"% {section.title}: {table.name}", table.to_latex()]
    return "\n\n".join(parts) + "\n"
