"""What examples/modes.py writes: the tables, and two plots.

tables(results, plan, weights)     # results by (M, arm, seed)
draw(results, plan, folder)        # fraction.png, nmi.png
"""

import statistics
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import cells as comparison
from modes_arms import ARMS, NONE, ORACLE, arms_of
from modes_plan import Plan
from modes_statistics import Recovered, accuracy, rank_correlation, recovered

from keras_mpat.evaluation.plots.tuning import ScoredPoint, score_points

Results = Mapping[tuple[int, str, int], Mapping[str, Any]]
_THOROUGH = ("M", "arm", "seed", "n", "union", "union of the thorough attacks")
_HEAD = (
    "M, arm, lambda_1, seeds, clean, AutoAttack-K, union (worst), gain (pp), "
    "95 %, p, recovered, 95 %, NMI"
).split(", ")


def compared(results: Results, plan: Plan, modes: int, name: str) -> Recovered | None:
    """An arm beside no head and the oracle, over the seeds that all three have.

    Args:
        results: finished cells by (M, arm, seed).
        plan: from `read_plan`.
        modes: M.
        name: of the arm.

    Returns:
        `None`: for the arm without a head, and where no seed is complete.
    """
    oracle = ORACLE if ORACLE in arms_of(modes) else None
    needed = [arm for arm in (NONE, name, oracle) if arm is not None]
    seeds = [s for s in plan.seeds if all((modes, arm, s) in results for arm in needed)]
    if name == NONE or not seeds:
        return None
    none, arm, *others = (
        [results[modes, arm, seed]["robust"] for seed in seeds] for arm in needed
    )
    return recovered(none, arm, others[0] if others else None, **plan.bootstrap)


def tables(results: Results, plan: Plan, weights: Mapping[tuple[int, str], float]):
    """Markdown: a row for each M and arm, how NMI goes with the gain, thorough attacks.

    Args:
        results: finished cells by (M, arm, seed).
        plan: from `read_plan`.
        weights: lambda_1 by (M, arm).
    """
    lines: list[list[str]] = [_HEAD]
    for modes in plan.modes:
        for name in arms_of(modes):
            found = _of(results, modes, name)
            if found:
                weight = weights.get((modes, name))
                said = "" if weight is None else f"{weight:g}"
                row = [str(modes), name, said, str(len(found)), *_accuracies(found)]
                row += _doubts(compared(results, plan, modes, name))
                lines.append([*row, _mean_nmi(found)])
    text = comparison.markdown(lines)
    ranks = [["arm", "runs", "rank correlation of NMI and gain"]]
    for name, points in nmi_and_gain(results):
        value = rank_correlation(*zip(*points, strict=True))
        ranks.append([name, str(len(points)), "" if value is None else f"{value:+.2f}"])
    more = [[*_THOROUGH]]
    for (modes, name, seed), values in results.items():
        if "thorough" in values:
            harder = values["thorough"]
            pair = [
                100 * accuracy(v) for v in (values["robust"][: len(harder)], harder)
            ]
            row = [f"{share:.2f}" for share in pair]
            more.append([str(modes), name, str(seed), str(len(harder)), *row])
    for others in (ranks, more):
        if len(others) > 1:
            text += f"\n{comparison.markdown(others)}"
    return text


def nmi_and_gain(results: Results) -> Iterator[tuple[str, list[tuple[float, float]]]]:
    """(arm, [(NMI, gain in points of percent), ...]), of several prototypes."""
    for name, arm in ARMS.items():
        points = []
        for (modes, own, seed), values in results.items():
            other = results.get((modes, NONE, seed))
            nmi = values.get("prototypes", {}).get("nmi")
            if own == name and nmi is not None and other is not None:
                gain = accuracy(values["robust"]) - accuracy(other["robust"])
                points.append((nmi, 100 * gain))
        if points and arm.prototypes != 1:
            yield name, points


def draw(results: Results, plan: Plan, folder: Path) -> None:
    """Writes fraction.png and nmi.png, as far as there is something to draw.

    Args:
        results: finished cells by (M, arm, seed).
        plan: from `read_plan`.
        folder: where to write.
    """
    series: dict[str, list[ScoredPoint]] = {}
    for name in ARMS:
        for modes in plan.modes:
            found = compared(results, plan, modes, name)
            if name != ORACLE and found is not None and found.fraction is not None:
                ends = found.interval or (None, None)
                point = ScoredPoint(modes, found.fraction, *ends)
                series.setdefault(name, []).append(point)
    if series:
        score_points(
            series,
            folder / "fraction.png",
            label="modes per class, M",
            score_label="recovered fraction",
            floor=(0.0, "no head"),
        )
    scattered = {
        name: [ScoredPoint(*point) for point in points]
        for name, points in nmi_and_gain(results)
    }
    if scattered:
        score_points(
            scattered,
            folder / "nmi.png",
            label="NMI of prototypes and modes",
            score_label="gain over no head (pp)",
            floor=(0.0, "no head"),
        )


def _of(results: Results, modes: int, name: str) -> list[Mapping[str, Any]]:
    return [values for key, values in results.items() if key[:2] == (modes, name)]


def _accuracies(found) -> list[str]:
    shares = {
        key: [100 * accuracy(values[key]) for values in found]
        for key in ("clean", "autoattack", "robust")
    }
    means = [f"{statistics.mean(values):.2f}" for values in shares.values()]
    return [*means[:2], f"{means[2]} ({min(shares['robust']):.2f})"]


def _doubts(found: Recovered | None) -> list[str]:
    if found is None:
        return [""] * 5
    low, high = (100 * end for end in found.gain_interval)
    cells = [f"{100 * found.gain:+.2f}", f"{low:+.2f} to {high:+.2f}"]
    cells.append(f"{found.p_value:.3g}")
    cells.append("" if found.fraction is None else f"{found.fraction:.2f}")
    if found.interval is None:
        return [*cells, ""]
    return [*cells, f"{found.interval[0]:.2f} to {found.interval[1]:.2f}"]


def _mean_nmi(found) -> str:
    values = [values.get("prototypes", {}).get("nmi") for values in found]
    known = [value for value in values if value is not None]
    return f"{statistics.mean(known):.2f}" if known else ""
