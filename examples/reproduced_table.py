"""The pages of `reproduce.py`: our figures beside the papers', and what differs."""

import re
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import papers
from cells import markdown as table_of
from reproduction import BASELINE, SCALES, TABLES, Table

from keras_mpat.evaluation import RobustnessResult, plots, wilson_interval
from keras_mpat.evaluation import compare as paired_tests

AUTOATTACK = "AutoAttack"
# Tables whose rows are a number: what it is.
DRAWN = {"mpat-8": "λ1", "mpat-fig3": "prototypes per class"}


def run_name(dataset: str, method: str, seed: int) -> str:
    """The name of a run's files."""
    slug = re.sub(r"[^a-z0-9.]+", "-", method.lower()).strip("-")
    return f"{dataset}-{slug}-s{seed}"


def verdicts(folder: Path, name: str) -> Path:
    """The file of AutoAttack's verdicts of a run."""
    return folder / "verdicts" / f"{name}.json"


def markdown(name: str, scale: str, found: dict[tuple, dict], folder: Path) -> str:
    """The table in our form, a part for each data set.

    Args:
        name: of the table.
        scale: of the runs.
        found: what `measure` returned, by (data set, method, seed).
        folder: of the verdicts.
    """
    table, size = TABLES[name], SCALES[scale]
    paper = papers.table(table.paper)
    about = (
        f"# {name}\n\n{paper.source}. {paper.caption}\n\nScale {scale}: "
        f"{_in_words(size.settings)}. First {size.limit or 'all'} test images; "
        f"{size.restarted} under 20 x PGD-100, {size.hard} under AutoAttack (two or "
        "three classes: AutoAttack-K). Each cell: the paper's number, then ours: mean "
        "over the seeds, the worst in brackets. A number with * cannot be right, see "
        "`python examples/papers.py`. Interval: Wilson, 95 %, over images of all "
        "seeds. p: exact paired permutation test on AutoAttack's verdicts against "
        f"{BASELINE} with the same seeds. Minutes: of training.\n"
    )
    parts = [_part(table, *pair, found, folder) for pair in table.datasets[scale]]
    return about + "".join(parts)


def _part(table: Table, dataset, paper_dataset, found, folder: Path) -> str:
    if table.by_attack:
        rows = [(table.by_attack, attack, row, "PGD10") for attack, row in table.rows]
        lines = [["attack", "paper / ours"]]
    else:
        rows = [(method, None, row, None) for method, row in table.rows]
        columns = [f"{ours}: paper / ours" for ours, _ in table.columns]
        lines = [["method", *columns]]
    lines[0] += ["seeds", AUTOATTACK, "interval", f"against {BASELINE}", "minutes"]
    for method, attack, row, column in rows:
        done = _done(found, dataset, method)
        if not done:
            continue
        pairs = [(attack, column)] if attack else table.columns
        values = [
            _published(table.paper, row, theirs, paper_dataset) for _, theirs in pairs
        ]
        means = [_mean(done, ours) for ours, _ in pairs]
        cells = [" / ".join(pair) for pair in zip(values, means, strict=True)]
        minutes = statistics.mean(cell["minutes"] for cell in done.values())
        lines.append(
            [
                attack or method,
                *cells,
                str(len(done)),
                _mean(done, AUTOATTACK),
                _interval(done),
                _better(dataset, method, found, folder),
                f"{minutes:.1f}",
            ]
        )
    beside = "" if dataset == paper_dataset else f", beside the paper's {paper_dataset}"
    return f"\n## {dataset}{beside}\n\n{table_of(lines)}"


def _published(paper: str, row, column: str, dataset: str) -> str:
    if row is None:
        return "–"
    number, doubt = papers.value(paper, row, column, dataset)
    return "–" if number is None else f"{number:.2f}{'*' if doubt else ''}"


def _mean(done: dict[int, dict], attack: str) -> str:
    values = [100 * cell["attacked"][attack][0] for cell in done.values()]
    return f"{statistics.mean(values):.1f} ({min(values):.1f})"


def _interval(done: dict[int, dict]) -> str:
    pairs = [cell["attacked"][AUTOATTACK] for cell in done.values()]
    right, n = round(sum(a * n for a, n in pairs)), sum(n for _, n in pairs)
    low, high = wilson_interval(right, n)
    return f"{100 * low:.1f} to {100 * high:.1f}"


def _better(dataset: str, method: str, found: dict[tuple, dict], folder: Path) -> str:
    if method == BASELINE:
        return "–"
    seeds = sorted(
        _done(found, dataset, method).keys() & _done(found, dataset, BASELINE)
    )
    if not seeds:
        return "–"
    first, second = (
        [
            RobustnessResult.load(verdicts(folder, run_name(dataset, name, seed)))
            for seed in seeds
        ]
        for name in (method, BASELINE)
    )
    tested = paired_tests(first, second, names=(method, BASELINE))
    mean = 100 * statistics.mean(tested.differences)
    return f"{mean:+.1f}, p = {tested.p_value:.2g}: {tested.verdict}"


def draw(name: str, scale: str, found: dict[tuple, dict], path: Path) -> None:
    """The picture of a table whose rows are a number; of others nothing.

    Means over the seeds, and the range of the seeds.

    Args:
        name, scale, found: as of `markdown`; at least one run.
        path: where to write.
    """
    if name not in DRAWN:
        return
    table, label = TABLES[name], DRAWN[name]
    series: dict[str, list] = {}
    for dataset, _ in table.datasets[scale]:
        for method in sorted(table.methods, key=_number):
            done = _done(found, dataset, method)
            for attack in ("clean", "PGD-10", AUTOATTACK) if done else ():
                shares = [100 * cell["attacked"][attack][0] for cell in done.values()]
                point = plots.ScoredPoint(
                    _number(method), statistics.mean(shares), min(shares), max(shares)
                )
                series.setdefault(f"{dataset}, {attack}", []).append(point)
    if series:
        plots.score_points(
            series, path, label=label, score_label="accuracy (%)", joined=True
        )


def _number(method: str) -> float:
    """Of "MPAT, K = 3", 3."""
    return float(method.rpartition("= ")[2])


def _done(found: dict[tuple, dict], dataset: str, method: str) -> dict[int, dict]:
    """The finished runs of a method, by seed."""
    return {
        seed: cell
        for (data, own, seed), cell in found.items()
        if (data, own) == (dataset, method)
    }


def _in_words(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{k} {v}" for k, v in settings.items()) or "as published"
