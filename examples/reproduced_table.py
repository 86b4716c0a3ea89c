"""The pages of `reproduce.py`: our figures beside the papers', and what differs."""

import re
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import papers
from cells import gained, mean_and_worst, pooled_interval
from cells import markdown as table_of
from reproduction import BASELINE, COSTS, SCALES, TABLES, Table

from keras_mpat.evaluation import RobustnessResult, plots

AUTOATTACK, _OFTEN = "AutoAttack", "20 x PGD-100"
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
    about = f"# {name}\n\n"
    if table.paper is not None:
        paper = papers.table(table.paper)
        about += f"{paper.source}. {paper.caption}\n\n"
    about += (
        f"Scale {scale}: {_in_words(size.settings)}. First {size.limit or 'all'} test "
        f"images; {size.restarted} under 20 x PGD-100, {size.hard} under AutoAttack "
        "(two or three classes: AutoAttack-K). Each cell: the paper's number, where it "
        "has one, then ours: mean over the seeds, the worst in brackets. A number with "
        "* cannot be right, see `python examples/papers.py`. Interval: Wilson, 95 %, "
        "over images of all seeds. p: exact paired permutation test on AutoAttack's "
        f"verdicts against {BASELINE} with the same seeds. Minutes: of training.\n"
    )
    parts = [_part(table, *pair, found, folder) for pair in table.datasets[scale]]
    after = _front(name, table.datasets[scale], found)
    after += "".join(_gains(name, data, found) for data, _ in table.datasets[scale])
    return about + "".join(parts) + after


def _gains(name: str, dataset: str, found) -> str:
    """Of the poster: what it claims, and what the runs gain."""
    gains = {"TLA over ALP": "ALP", "TLA over AT": BASELINE}
    lines = [["claim", "20 x PGD: paper / ours, points", "seeds"]]
    for claim, other in gains.items() if name == "tla-poster" else ():
        one, two = (_done(found, dataset, method) for method in ("TLA", other))
        seeds = sorted(one.keys() & two.keys())
        pairs = [[of[s]["attacked"][_OFTEN][0] for of in (one, two)] for s in seeds]
        differences = [100 * (first - second) for first, second in pairs]
        if differences:
            mean, least = statistics.mean(differences), min(differences)
            theirs = published("tla-poster", claim, "attacked", dataset)
            ours = f"{theirs} / {mean:+.2f} ({least:+.2f})"
            lines.append([claim, ours, str(len(seeds))])
    if len(lines) == 1:
        return ""
    area = "What it claims of the area under the ROC curve stands beside tla-fig5's."
    return f"\n{table_of(lines)}\n{area}\n"


def _front(name: str, datasets, found) -> str:
    """Of costs: which trainings none beats."""
    text = ""
    for dataset, _ in datasets if name == "cost" else ():
        names = [point.name for point in plots.pareto_front(costs(dataset, found))]
        if names:
            text += f"\nBest for their minutes on {dataset}: {', '.join(names)}.\n"
    return text


def _part(table: Table, dataset, paper_dataset, found, folder: Path) -> str:
    if table.by_attack:
        rows = [(table.by_attack, attack, row, "PGD10") for attack, row in table.rows]
        lines = [["attack", "paper / ours"]]
    else:
        rows = [(method, None, row, None) for method, row in table.rows]
        beside = ": paper / ours" if table.paper else ""
        columns = [f"{ours}{beside}" for ours, _ in table.columns]
        lines = [["method", *columns]]
    lines[0] += ["seeds", AUTOATTACK, "interval", f"against {BASELINE}", "minutes"]
    for method, attack, row, column in rows:
        done = _done(found, dataset, method)
        if not done:
            continue
        pairs = [(attack, column)] if attack else table.columns
        cells = [_mean(done, ours) for ours, _ in pairs]
        if table.paper is not None:
            values = [published(table.paper, row, c, paper_dataset) for _, c in pairs]
            cells = [" / ".join(pair) for pair in zip(values, cells, strict=True)]
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
    beside = ""
    if paper_dataset not in ("", dataset):
        beside = f", beside the paper's {paper_dataset}"
    return f"\n## {dataset}{beside}\n\n{table_of(lines)}"


def published(
    paper: str, row: str | None, column: str, dataset: str, digits: int = 2
) -> str:
    """The number of papers.py as text, with * if it is doubted; "–": there is none."""
    if row is None:
        return "–"
    number, doubt = papers.value(paper, row, column, dataset)
    return "–" if number is None else f"{number:.{digits}f}{'*' if doubt else ''}"


def _mean(done: dict[int, dict], attack: str) -> str:
    return mean_and_worst([cell["attacked"][attack][0] for cell in done.values()])


def _interval(done: dict[int, dict]) -> str:
    pairs = [cell["attacked"][AUTOATTACK] for cell in done.values()]
    right, n = round(sum(a * n for a, n in pairs)), sum(n for _, n in pairs)
    return pooled_interval(right, n)


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
    return gained(first, second, (method, BASELINE))


def draw(name: str, scale: str, found: dict[tuple, dict], path: Path) -> None:
    """The picture of a table whose rows are a number, or costs; of others nothing.

    Means over the seeds, and the range of the seeds.

    Args:
        name, scale, found: as of `markdown`; at least one run.
        path: where to write.
    """
    if name == "cost":
        _draw_costs(scale, found, path)
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


def _draw_costs(scale: str, found: dict[tuple, dict], path: Path) -> None:
    """Of the first data set that has runs."""
    for dataset, _ in TABLES["cost"].datasets[scale]:
        points = costs(dataset, found)
        if points:
            label = f"{dataset}, {AUTOATTACK} (%)"
            plots.cost_of_robustness(points, path, label=label)
            return


def costs(dataset: str, found: dict[tuple, dict]) -> list[plots.CostPoint]:
    """Means over the seeds of each method whose cost is compared, and their range."""
    points = []
    for group, methods in COSTS.items():
        for method in methods:
            done = _done(found, dataset, method).values()
            if done:
                shares = [100 * cell["attacked"][AUTOATTACK][0] for cell in done]
                minutes = statistics.mean(cell["minutes"] for cell in done)
                mean, ends = statistics.mean(shares), (min(shares), max(shares))
                kind = f"{group}, with head" if "MPAT" in method else group
                points.append(plots.CostPoint(method, kind, minutes, mean, *ends))
    return points


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
