"""`write_report`: a search as a page, as Markdown, and as data.

`verdict.py` says which trial is best, `trial_tables.py` makes the tables, `figures.py`
the figures, `importance.py` says what mattered, `published.py` what the paper found.
The look is that of `evaluation.reporting`.
"""

import json
from pathlib import Path
from typing import Any

from keras_mpat import files
from keras_mpat.evaluation.reporting.markup import Markup, element
from keras_mpat.evaluation.reporting.page import Figure, Section, page
from keras_mpat.evaluation.reporting.tables import Table, in_markdown
from keras_mpat.tuning import figures, trial_tables
from keras_mpat.tuning.importance import LEAST, importance
from keras_mpat.tuning.results import SearchResult
from keras_mpat.tuning.texts import one_line
from keras_mpat.tuning.verdict import best_of, lead, no_best, stopped, verdict
from keras_mpat.version import __version__

_PAPER = ("head_weight", "prototypes_per_class")
_ROWS = 40  # of a figure's numbers up to which they stand in the Markdown


def write_report(result: SearchResult) -> Path:
    """Writes report.html, report.md, trials.csv and best.json into `result.folder`.

    Each file is replaced as a whole, so that a reader never sees half of one; a search
    may call it after every trial. Without matplotlib or scikit-learn the page says
    what it lacks.

    Args:
        result: what a search found, finished or not.

    Returns:
        Where report.html is.
    """
    name = result.folder.resolve().name
    chapters = sections(result)
    title = f"Search: {one_line(name)}"
    foot = f"keras_mpat {__version__}"
    best = json.dumps(best_of(result), indent=2, allow_nan=False, ensure_ascii=False)
    texts = {
        "trials.csv": trial_tables.everything(result).to_csv(),
        "best.json": f"{best}\n",
        "report.md": _markdown(title, result, chapters),
        "report.html": page(title, lead(result), chapters, foot=foot),
    }
    result.folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        files.write_text(result.folder / name, text)
    return result.folder / "report.html"


def sections(result: SearchResult) -> list[Section]:
    """The chapters of the page; those that have nothing to say are left out."""
    found = [Section("Trials", "trials", _covers(result), _trial_parts(result))]
    shown = [name for name in _PAPER if name in result.tuned]
    pairs = [(figures.against(result, name), name) for name in shown]
    rows: list[Any] = [[own, figures.paper(name)] for own, name in pairs if own]
    if rows:
        text = "What the search found, and beside it what the paper reports."
        found.append(Section("λ1 and prototypes", "paper", text, rows))
    drawn = figures.parallel(result)
    mattered, lack = _mattered(result)
    drawings = [figure for figure in (drawn, mattered) if figure]
    found.append(
        Section(
            "What mattered", "importance", "", [drawings, lack] if lack else [drawings]
        )
    )
    if curves := figures.curves(result):
        found.append(Section("Learning curves", "curves", "", [curves]))
    return found


def _trial_parts(result: SearchResult) -> list[Any]:
    if not result.trials:
        return []
    spent = sum(trial.seconds for trial in result.trials)
    lost = trial_tables.unranked(result)
    parts: list[Any] = [
        trial_tables.ranking(result),
        *([lost] if lost.rows else []),
        f"All trials together took {trial_tables.span(spent)} of training and "
        "validation. trials.csv beside this page holds every value.",
    ]
    fixed = trial_tables.fixed_values(result)
    if fixed.rows:
        label = element("summary", f"{len(fixed.rows)} values that were not searched")
        parts.append(element("details", label, fixed.to_html()))
    return parts


def _covers(result: SearchResult) -> str:
    if result.best is None:
        return no_best(result)
    text = f"Each score stands {figures.reach(result)}."
    if any(len(trial.scores) == 1 for trial in result.ranking):
        text += " Nothing here says what another initialization would give."
    count = len(result.ranking)
    if count > 1:
        text += (
            f" The best of {count} is chosen on the images that it is measured on, so "
            "its score is optimistic: train it with other seeds, and evaluate that "
            "on test images."
        )
    return text


def _mattered(result: SearchResult) -> tuple[Figure | None, str]:
    """A figure, or why there is none."""
    lacking = LEAST - len(result.ranking)
    if not result.tuned:
        return None, "No hyper-parameter was searched."
    if lacking > 0:
        text = f"Importance needs {LEAST} completed trials: {lacking} more."
        return None, f"{text} From fewer, a forest learns noise."
    try:
        found = importance(result)
    except ImportError:
        lack = 'Importance needs scikit-learn: pip install "keras_mpat[report]".'
        return None, lack
    if found is None:
        return None, "All scores are equal: no hyper-parameter mattered."
    return figures.importances(found), ""


def _markdown(title: str, result: SearchResult, chapters: list[Section]) -> str:
    lines = [*verdict(result)]
    if result.stopped:
        lines.insert(0, stopped(result))
    if not result.finished:
        lines.insert(0, "This search is not finished.")
    parts = [f"# {in_markdown(title)}", *map(in_markdown, lines)]
    if result.best is not None and result.command:
        code = "\n".join(f"    {line}" for line in result.command.splitlines())
        parts += ["Train it again:", code]
    parts.append(trial_tables.facts(result).to_markdown())
    for section in chapters:
        parts += [f"## {section.title}", in_markdown(section.text)]
        for part in section.parts:
            parts += map(_part, part if isinstance(part, list) else [part])
    return "\n\n".join(part for part in parts if part) + "\n"


def _part(part: Any) -> str:
    if isinstance(part, Table):
        return part.to_markdown()
    if isinstance(part, Figure):
        text = in_markdown(f"{part.title}. {part.reading}")
        if part.data is None or len(part.data.rows) > _ROWS:
            return text
        return f"{text}\n\n{part.data.to_markdown()}"
    return "" if isinstance(part, Markup) else in_markdown(part)
