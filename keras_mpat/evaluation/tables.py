"""Results as Markdown tables: every row with its attack's size, n and interval."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keras_mpat.attacks import Attack, AutoAttack
from keras_mpat.evaluation.modes import PrototypeModes
from keras_mpat.evaluation.result import Part, RobustnessResult, percent
from keras_mpat.threat_models import ThreatModel

NOT_AUDITED = "PGD-type attacks only, not audited."
_AFTER = "Rows that begin with ↳ say what is left after this part of the attack above. "


def robustness_table(
    results: Mapping[str, RobustnessResult],
    attacks: Mapping[str, Attack],
    *,
    audits: Mapping[str, Any] | None = None,
) -> str:
    """A Markdown table with one column per result and one row per attack.

    Args:
        results: results by column title; all from the same attacks.
        attacks: the attacks by name, as given to `evaluate_robustness`.
        audits: an `Audit` by column title, whose flags then stand below the table.

    Returns:
        Markdown text; the last lines say what the figures do not cover.
    """
    first = next(iter(results.values()))
    rows = [["attack", "epsilon", "steps × step", "runs", *results]]
    rows.append(["clean", "–", "–", "–"])
    rows[-1] += [_percent(result.clean) for result in results.values()]
    for number, stage in enumerate(first.stages):
        row = [stage.name, *attack_size(attacks[stage.name])]
        for result in results.values():
            row.append(_percent(result.stages[number].correct))
        rows.append(row)
        rows += _parts([result.stages[number].parts for result in results.values()])
    rows.append(["**worst case**", "", "", ""])
    rows[-1] += [f"**{_percent(r.robust)}**" for r in results.values()]
    if any(result.certified is not None for result in results.values()):
        rows.append(["[certified, attacked]", "", "", ""])
        rows[-1] += [_between(result) for result in results.values()]
    rows.append(["zero input gradients", "", "", ""])
    rows[-1] += [f"{100 * result.zero_gradients:.2f} %" for result in results.values()]
    note = f"n = {first.n}; percent correct with 95 % Wilson intervals. "
    note += _AFTER * any(row[0].startswith("↳") for row in rows)
    black_box = any(isinstance(attack, AutoAttack) for attack in attacks.values())
    if audits:
        lines = [f"{name}: {audit.summary()}." for name, audit in audits.items()]
        return f"{markdown(rows)}\n\n{note}\n\n" + "\n".join(lines)
    note += "Not audited." if black_box else NOT_AUDITED
    return f"{markdown(rows)}\n\n{note}"


def _parts(of_results: Sequence[tuple[Part, ...]]) -> list[list[str]]:
    """A row for each part of an attack that has several."""
    if len(of_results[0]) < 2:
        return []
    return [
        [f"↳ {parts[0].name}", "", "", ""] + [_share(part.accuracy) for part in parts]
        for parts in zip(*of_results, strict=True)
    ]


def _between(result: RobustnessResult) -> str:
    """Where the robust accuracy of these examples lies, e.g. "[31.20, 89.10] %"."""
    low = result.certified_accuracy
    return (
        "–"
        if low is None
        else f"[{100 * low:.2f}, {100 * result.robust_accuracy:.2f}] %"
    )


def prototype_table(
    found: PrototypeModes,
    *,
    class_names: Sequence[str] | None = None,
    mode_names: Sequence[str] | None = None,
) -> str:
    """Markdown: one row per class, then per class one row per prototype.

    Args:
        found: from `prototype_modes`.
        class_names: names of the C classes; `None`: their numbers.
        mode_names: names of the M fine labels; `None`: their numbers.

    Returns:
        Markdown text; the last lines say what the figures mean.
    """
    modes = mode_names or [str(mode) for mode in range(found.counts.shape[1])]
    names = class_names or [str(c) for c in range(len(found.prototypes_per_class))]
    rows = [["class", "prototypes", "examples", "purity", "of one", "NMI"]]
    parts = []
    for c, name in enumerate(names):
        own = found.classes == c
        table, size = found.counts[own], str(found.prototypes_per_class[c])
        shares = (found.class_purity[c], found.class_purity_of_one[c])
        rows.append([name, size, thousands(table.sum()), *map(_share, shares)])
        rows[-1].append(_number(found.class_nmi[c]))
        parts.append(f"{name}:\n\n{_assignments(table, found.slots[own], modes)}")
    rows.append(["**all**", str(len(found.slots)), thousands(found.counts.sum())])
    rows[-1] += [_share(found.purity), _share(found.purity_of_one), _number(found.nmi)]
    return "\n\n".join([markdown(rows), *parts, _MEANING])


_MEANING = (
    "Examples belong to the nearest prototype of their class. Purity: share of them "
    "whose fine label is the most frequent one of their prototype; “of one”: with one "
    "prototype per class. NMI: normalized mutual information of prototype and fine "
    "label, 0 for none, 1 for the same partition; all: the mean over classes."
)


def _assignments(table: np.ndarray, slots: np.ndarray, modes: Sequence[str]) -> str:
    """Rows of prototypes, columns of the fine labels that the class has."""
    seen = np.flatnonzero(table.sum(axis=0))
    rows = [["prototype", "examples", *(modes[int(m)] for m in seen), "mostly"]]
    for slot, counts in zip(slots, table, strict=True):
        rows.append([str(slot), thousands(counts.sum())])
        rows[-1] += [thousands(counts[mode]) if counts[mode] else "·" for mode in seen]
        rows[-1].append(mostly(counts, modes))
    return markdown(rows)


def mostly(counts: np.ndarray, modes: Sequence[str]) -> str:
    """The most frequent mode and its share, e.g. "7 (83 %)"; "–" of none."""
    if not counts.sum():
        return "–"
    share = 100 * counts.max() / counts.sum()
    return f"{modes[int(counts.argmax())]} ({share:.0f} %)"


def markdown(rows: list[list[str]]) -> str:
    """A Markdown table; the first row is the heading."""
    rows = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def thousands(number) -> str:
    """A count with its thousands apart, e.g. "10 000"."""
    return f"{number:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def _share(value: float) -> str:
    return f"{100 * value:.1f} %" if np.isfinite(value) else "–"


def _number(value: float) -> str:
    return f"{value:.2f}" if np.isfinite(value) else "–"


def attack_size(attack: Attack) -> list[str]:
    """[epsilon, "steps × step", runs] of an attack, as text."""
    fields = dataclasses.fields(attack)  # type: ignore[arg-type]
    config = {field.name: getattr(attack, field.name) for field in fields}
    steps = config.get("steps", 1)
    step = "–"
    if "step_size" in config:
        given = attack.step_size  # type: ignore[attr-defined]
        if given is None:
            given = attack.step_length  # type: ignore[attr-defined]
        step = f"{steps} × {_length(given)}"
    epsilon = attack.threat_model.epsilon
    return [_length(epsilon), step, str(config.get("restarts", 1))]


def describe(threat_model: ThreatModel) -> str:
    """A threat model in two words, e.g. "Linf 8/255"."""
    return f"{type(threat_model).__name__} {_length(threat_model.epsilon)}"


def _length(value) -> str:
    if isinstance(value, str):
        return value
    try:
        return f"{float(value):.4g}"
    except (TypeError, ValueError):
        return "per feature"


def _percent(flags) -> str:
    return percent(int(flags.sum()), len(flags))
