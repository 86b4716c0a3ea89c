"""The text of a model card."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

_UNKNOWN = "not recorded"


def markdown(values: Mapping[str, Any]) -> str:
    """Markdown of the values of a `ModelCard`."""
    parts = [
        f"# {values['name']}",
        _headline(values),
        _facts(values),
        "## Attacks\n\n" + _attacks(values["attacks"]),
        "## After each attack\n\n" + _stages(values),
        "## Audit\n\n" + _audit(values["audit"]),
        "## Verification by another implementation\n\n" + _verification(values),
        "## Training\n\n" + _training(values["training"]),
        "## Where it comes from\n\n" + _provenance(values["results"]),
    ]
    return "\n\n".join(parts) + "\n"


def under(values: Mapping[str, Any]) -> str:
    """The words that follow a robust accuracy: attacks, and whether audited."""
    names = ", ".join(map(_title, values["attacks"]))
    return f"under {names}; {_audited(values)}"


def _audited(values: Mapping[str, Any]) -> str:
    if values["audit"] is None:
        return "not audited"
    flags = len(values["audit"]["flags"])
    verdict = values["audit"].get("verdict")
    words = f"audit {verdict}" if verdict else "audited"
    return f"{words}, {flags} {'flag' if flags == 1 else 'flags'}"


def _title(attack: Mapping[str, Any]) -> str:
    name, protocol = attack["name"], attack["protocol"]
    return name if protocol in name else f"{name} ({protocol})"


def _headline(values: Mapping[str, Any]) -> str:
    """Clean and robust accuracy in one paragraph."""
    results, summary = values["results"], values["summary"]
    if len(results) == 1:
        clean, robust = (_percent(results[0][name]) for name in ("clean", "robust"))
        text = f"Clean {clean} %. Robust **{robust} %** {under(values)}."
    else:
        clean, robust = (
            f"{100 * summary[name]['mean']:.2f} % on average, "
            f"{100 * summary[name]['worst']:.2f} % for the worst seed"
            for name in ("clean", "robust")
        )
        text = f"{len(results)} seeds. Clean {clean}. Robust **{robust}**, "
        text += f"{under(values)}."
    certified = [result["certified"] for result in results if "certified" in result]
    if certified:
        low, high = min(certified), summary["robust"]["worst"]
        text += (
            f" Certified {100 * low:.2f} %: what withstands every attack lies in "
            f"[{100 * low:.2f}, {100 * high:.2f}] %."
        )
    return text + " In brackets 95 % Wilson intervals."


def _facts(values: Mapping[str, Any]) -> str:
    ball, net = values["threat_model"], values["architecture"]
    kinds = ", ".join(f"{kind} {count}" for kind, count in net["layers"].items())
    rows = [
        ("data", f"{values['dataset']}; {values['examples']} examples"),
        ("classes", str(values["classes"])),
        ("threat model", f"{ball['norm']}, epsilon {ball['epsilon']}"),
        ("", f"`{ball['settings']}`"),
        ("architecture", f"{net['name']}, {net['parameters']} parameters"),
        ("layers", kinds),
    ]
    return table([("", ""), *rows])


def _attacks(attacks: Sequence[Mapping[str, Any]]) -> str:
    rows = [("attack", "protocol", "settings")]
    for attack in attacks:
        rows.append((attack["name"], attack["protocol"], f"`{attack['settings']}`"))
        for part in attack["parts"]:
            rows.append((f"↳ {part['name']}", "", f"`{part['settings']}`"))
    text = table(rows)
    if any(attack["protocol"].endswith("-K") for attack in attacks):
        text += (
            "\n\nAutoAttack-K: for two and three classes the published targeted "
            "attacks are undefined; the margin and restarts take their place."
        )
    return text


def _columns(results: Sequence[Mapping[str, Any]]) -> list[str]:
    if len(results) == 1:
        return [f"seed {results[0]['seed']}"]
    return [f"run {k}, seed {r['seed']}" for k, r in enumerate(results, 1)]


def _stages(values: Mapping[str, Any]) -> str:
    results = values["results"]
    rows = [("left correct, %", *_columns(results))]
    rows.append(("clean", *(_percent(result["clean"]) for result in results)))
    for number, stage in enumerate(results[0]["stages"]):
        own = [result["stages"][number] for result in results]
        rows.append((stage["name"], *map(_percent, own)))
        for k, part in enumerate(stage["parts"]):
            cells = (_percent(entry["parts"][k]) for entry in own)
            rows.append((f"↳ after {part['name']}", *cells))
    rows.append(("**worst case**", *(_percent(r["robust"]) for r in results)))
    rows.append(
        ("zero input gradients", *(f"{100 * r['zero_gradients']:.2f}" for r in results))
    )
    text = f"Seeds are those of the attacks' noise. Worst case: {under(values)}."
    return f"{table(rows)}\n\n{text}"


def _audit(audit: Mapping[str, Any] | None) -> str:
    if audit is None:
        return "Not audited: read the robust accuracy as an upper bound."
    left = audit.get("not_run") or []
    lines = [f"Verdict: {audit['verdict']}."] if audit.get("verdict") else []
    lines += [f"Not run: {', '.join(left)}."] if left else []
    lines += [f"- {_line(flag)}" for flag in audit["flags"]] or ["No flags."]
    return "\n".join(lines)


def _verification(values: Mapping[str, Any]) -> str:
    found = values["verification"]
    if found is None:
        return "None."
    rows = [("implementation", found["implementation"]), ("n", str(found["n"]))]
    for side, name in (("its", "robust_accuracy"), ("our", "our_robust_accuracy")):
        rows.append((f"{side} robust accuracy, %", f"{100 * found[name]:.2f}"))
    rows.append(("McNemar p", _line(found["mcnemar"])))
    rows += [(name, _line(count)) for name, count in found["contingency"].items()]
    for name in ("ours_on_their_framework", "theirs_on_our_framework"):
        proof = found[name]
        text = "not asked"
        if proof is not None:
            text = f"{proof['fooled']} of {proof['n']} adversarial examples fool"
        rows.append((name.replace("_", " "), text))
    words = f"Of {found['n']} examples under AutoAttack; {_audited(values)}."
    return f"{table([('', ''), *rows])}\n\n{words}"


def _training(training: Mapping[str, Any] | None) -> str:
    if training is None:
        return "Not said."
    return table(
        [("", ""), *((name, f"`{_line(value)}`") for name, value in training.items())]
    )


def _provenance(results: Sequence[Mapping[str, Any]]) -> str:
    rows = [("", *_columns(results))]
    for group in ("sha256", "versions"):
        known = [result[group] or {} for result in results]
        names = list(dict.fromkeys(name for entry in known for name in entry))
        for name in names or [group]:
            cells = (entry.get(name, _UNKNOWN) for entry in known)
            title = f"sha256 of the {name}" if group == "sha256" and names else name
            rows.append((title, *cells))
    return table(rows)


def _percent(share: Mapping[str, Any]) -> str:
    low, high = share["interval"]
    return f"{100 * share['accuracy']:.2f} ({100 * low:.1f}–{100 * high:.1f})"


def _line(value: Any) -> str:
    """A JSON value on one line."""
    if isinstance(value, float):
        return f"{value:.6g}"
    return value if isinstance(value, str) else json.dumps(value)


def table(rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first row is its head."""
    lines = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    cells = [[cell.replace("|", "\\|").replace("\n", " ") for cell in r] for r in lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in cells)
