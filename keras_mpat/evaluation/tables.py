"""Results as Markdown tables: every row with its attack's size, n and interval."""

from collections.abc import Mapping

from keras_mpat.attacks import Attack
from keras_mpat.evaluation.result import RobustnessResult, Stage
from keras_mpat.threat_models import ThreatModel

NOT_AUDITED = "PGD-type attacks only, not audited."


def robustness_table(
    results: Mapping[str, RobustnessResult], attacks: Mapping[str, Attack]
) -> str:
    """A Markdown table with one column per result and one row per attack.

    Args:
        results: results by column title; all from the same attacks.
        attacks: the attacks by name, as given to `evaluate_robustness`.

    Returns:
        Markdown text; the last lines say what the figures do not cover.
    """
    first = next(iter(results.values()))
    rows = [["attack", "epsilon", "steps × step", "runs", *results]]
    rows.append(["clean", "–", "–", "–"])
    rows[-1] += [_percent(result.clean, result) for result in results.values()]
    for number, stage in enumerate(first.stages):
        row = [stage.name, *attack_size(attacks[stage.name])]
        for result in results.values():
            row.append(_percent(result.stages[number].correct, result))
        rows.append(row)
    rows.append(["**worst case**", "", "", ""])
    rows[-1] += [f"**{_percent(r.robust, r)}**" for r in results.values()]
    rows.append(["zero input gradients", "", "", ""])
    rows[-1] += [f"{100 * result.zero_gradients:.2f} %" for result in results.values()]
    rows.insert(1, ["---"] * len(rows[0]))
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    note = f"n = {first.n}; percent correct with 95 % Wilson intervals. {NOT_AUDITED}"
    return "\n".join([*lines, "", note])


def attack_size(attack: Attack) -> list[str]:
    """[epsilon, "steps × step", runs] of an attack, as text."""
    config = attack.get_config()
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


def _percent(flags, result: RobustnessResult) -> str:
    low, high = Stage("", "", flags, 0.0).interval
    return f"{100 * flags.mean():.2f} ({100 * low:.1f}–{100 * high:.1f})"
