"""`report`: a page about runs, and the same figures as Markdown and LaTeX."""

import os
from collections.abc import Sequence
from pathlib import Path

from keras_mpat.evaluation.report.page import Section, page
from keras_mpat.evaluation.report.runs import Run, read_run
from keras_mpat.evaluation.report.sections import CHAPTERS
from keras_mpat.evaluation.report.sections.verdict import comparisons, lead, summary
from keras_mpat.version import __version__


def report(
    run_dir: str | os.PathLike,
    data=None,
    *,
    compare: Sequence[str | os.PathLike] = (),
    path: str | os.PathLike | None = None,
) -> Path:
    """Writes a self-contained HTML page about one run, or several side by side."""
    runs = named_runs([run_dir, *compare])
    sections = [s for chapter in CHAPTERS if (s := chapter(runs)) is not None]
    path = Path(path or Path(run_dir) / "report.html")
    title = " · ".join(run.name for run in runs)
    texts = {
        ".html": page(title, lead(runs), sections, foot=f"keras_mpat {__version__}"),
        ".md": _markdown(title, runs, sections),
        ".tex": _latex(runs, sections),
    }
    for suffix, text in texts.items():
        target = path.with_suffix(suffix)
        partial = target.with_name(f"{target.name}.part")
        partial.write_text(text, encoding="utf-8")
        os.replace(partial, target)
    return path


def named_runs(folders) -> list[Run]:
    """The runs of these folders; equal names get a number."""
    runs, names = [], set()
    for folder in folders:
        run = read_run(folder)
        name, number = run.name, 1
        while name in names:
            number += 1
            name = f"{run.name} ({number})"
        names.add(name)
        runs.append(read_run(folder, name=name) if number > 1 else run)
    return runs


def _markdown(title: str, runs: list[Run], sections: list[Section]) -> str:
    parts = [f"# {title}", summary(runs).to_markdown(), *comparisons(runs)]
    for section in sections:
        parts += [f"## {section.title}", section.text]
        parts += [table.to_markdown() for table in section.tables]
    return "\n\n".join(part for part in parts if part) + "\n"


def _latex(runs: list[Run], sections: list[Section]) -> str:
    parts = ["% needs \\usepackage{booktabs}", "% verdict", summary(runs).to_latex()]
    for section in sections:
        for table in section.tables:
            parts += [f"% {section.title}: {table.name}", table.to_latex()]
    return "\n\n".join(parts) + "\n"
