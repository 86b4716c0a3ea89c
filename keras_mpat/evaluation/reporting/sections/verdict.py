"""What stands on top: how robust, under what, and how far to trust it."""

from itertools import combinations
from typing import Any

from keras_mpat.attacks import AutoAttack
from keras_mpat.evaluation.comparison import compare
from keras_mpat.evaluation.reporting.markup import Markup, element, joined
from keras_mpat.evaluation.reporting.runs import Evaluation, Run
from keras_mpat.evaluation.reporting.tables import Shown, Table
from keras_mpat.evaluation.result import percent
from keras_mpat.evaluation.tables import describe

_GRADIENTS_ONLY = (
    "Gradient attacks alone: an upper bound. A model that hides its gradients looks "
    "robust to them. Run AutoAttack."
)
_BADGES = {"passed": "good", "failed": "bad", "incomplete": "warn"}


def lead(runs: list[Run]) -> Markup:
    """One card for each run, and a sentence for each pair that can be compared."""
    cards = [_card(run, several=len(runs) > 1) for run in runs]
    sentences = [element("p", text) for text in comparisons(runs)]
    return joined(element("div", *cards, class_="verdicts"), *sentences)


def summary(runs: list[Run]) -> Table:
    """The cards as a table."""
    header = ["run", "epsilon", "images", "clean (%)", "worst case (%)", "attacks"]
    rows = [[run.name, *_figures(run), _audit(run)] for run in runs]
    return Table("verdict", [*header, "audit"], rows)


def _figures(run: Run) -> list[Any]:
    found = run.evaluation
    if found is None:
        return [None, None, None, None, "not attacked"]
    result = found.result
    successes = int(result.robust.sum())
    worst = Shown(100 * result.robust_accuracy, percent(successes, result.n))
    names = ", ".join(stage.name for stage in result.stages)
    return [radius_text(found), result.n, 100 * result.clean_accuracy, worst, names]


def comparisons(runs: list[Run]) -> list[str]:
    """Which runs differ, for each pair that was attacked alike."""
    sentences = []
    for first, second in combinations(runs, 2):
        a, b = first.evaluation, second.evaluation
        if a is None or b is None or a.images != b.images:
            continue
        same = [s.attack for s in a.result.stages] == [
            s.attack for s in b.result.stages
        ]
        if same and a.epsilon == b.epsilon:
            names = first.name, second.name
            found = compare([a.result], [b.result], names=names)
            sentences.append(found.sentence())
    return sentences


def has_black_box(run: Run) -> bool:
    """Whether an attack without gradients is part of what was run."""
    if run.evaluation is None:
        return False
    parts = [p for stage in run.evaluation.result.stages for p in (stage, *stage.parts)]
    kinds = (AutoAttack.__name__, "Square")
    return any(part.attack.startswith(kinds) for part in parts)


def _card(run: Run, *, several: bool) -> Markup:
    title = element("h3", run.name) if several else None
    found = run.evaluation
    if found is None:
        text = "Not attacked yet: nothing is known of its robustness."
        if run.findings is not None:
            robust = run.findings.latent.robust
            text = (
                f"{percent(int(robust.sum()), len(robust))} % of {len(robust)} images "
                f"correct under PGD-20 alone in {describe(run.findings.threat_model)}: "
                "an upper bound."
            )
        how = "Run examples/evaluate.py --attacks autoattack."
        return element(
            "div", title, element("p", text), element("p", how), class_="verdict"
        )
    result = found.result
    low, high = (100 * value for value in result.interval)
    big = element(
        "p",
        f"{100 * result.robust_accuracy:.2f} %",
        element("small", f"  ({low:.1f}–{high:.1f})"),
        class_="big",
    )
    lines = [
        f"correct in the worst case of all attacks in {radius_text(found)}, on "
        f"{result.n:,} images; in brackets the 95 % Wilson interval.".replace(
            ",", " ", 1
        ),
        f"{100 * result.clean_accuracy:.2f} % correct without an attack.",
    ]
    if result.certified_accuracy is not None:
        share = 100 * result.certified_accuracy
        lines.append(f"{share:.2f} % certified: no attack can lower that.")
    ran = ", ".join(stage.name for stage in result.stages)
    paragraphs = [element("p", line) for line in lines]
    paragraphs.append(element("p", f"Attacks: {ran}.", class_="soft"))
    return element("div", title, big, *paragraphs, *_trust(run), class_="verdict")


def _trust(run: Run) -> list[Markup]:
    """What speaks for the figure, and against."""
    parts = []
    if not has_black_box(run):
        parts.append(element("p", _GRADIENTS_ONLY, class_="warn"))
    if run.audit is None:
        parts.append(element("p", element("span", "not audited", class_="badge warn")))
    else:
        verdict = run.audit["verdict"]
        badge = element("span", f"audit {verdict}", class_=f"badge {_BADGES[verdict]}")
        flags = [element("li", flag) for flag in run.audit["flags"]]
        missing = ", ".join(run.audit["not_run"])
        parts += [element("p", badge), element("ul", *flags) if flags else None]
        if missing:
            parts.append(element("p", f"Not run: {missing}.", class_="soft"))
    if run.stale:
        names = ", ".join(run.stale)
        text = f"Left out, because they are about other weights: {names}."
        parts.append(element("p", text, class_="warn"))
    return [part for part in parts if part is not None]


def _audit(run: Run) -> str:
    return "not audited" if run.audit is None else run.audit["verdict"]


def radius_text(found: Evaluation) -> str:
    """The ball in words, e.g. "L∞ 0.3 (76.5/255)"."""
    if found.epsilon is None:
        return f"{found.norm}, no single radius noted"
    norm = {"Linf": "L∞"}.get(found.norm, found.norm)
    pixels = f" ({255 * found.epsilon:.3g}/255)" if found.epsilon <= 1 else ""
    return f"{norm} {found.epsilon:.4g}{pixels}"
