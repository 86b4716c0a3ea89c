"""Our verdicts beside those of another implementation of the same attack.

    found = Verification("autoattack 0.1", ours=result.robust, theirs=robust)
    print(found.table())

An implementation that is right in its own eyes may still judge its own mistakes. So the
verdicts of another one, on the same images, are laid beside ours, example by example;
and the adversarial examples of each side are shown to the classifier on the other
side's framework, where they must fool it, too.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_mpat.evaluation.card_text import table
from keras_mpat.evaluation.comparison import sign_flip_test
from keras_mpat.evaluation.result import percent

LEAD = 1e-4  # logits by which a wrong class leads where an example surely fools


@dataclass(frozen=True, eq=False)
class Verification:
    """Two implementations on the same N examples of one classifier.

    Args:
        implementation: the other one, its version and settings, in words.
        ours, theirs: bool (N,), which examples each leaves correct.
        ours_there: (M,), by how much the best wrong class leads on the framework of the
            other side, at our M adversarial examples; None: not asked.
        theirs_here: the same of theirs on our framework.
        frameworks: (ours, theirs), their names and versions.

    Raises:
        ValueError: verdicts of different lengths, or none.
    """

    implementation: str
    ours: np.ndarray
    theirs: np.ndarray
    ours_there: np.ndarray | None = None
    theirs_here: np.ndarray | None = None
    frameworks: tuple[str, str] = ("", "")

    def __post_init__(self):
        if len(self.ours) != len(self.theirs) or not len(self.ours):
            raise ValueError(
                "`ours` and `theirs` must hold a verdict for each of the same examples."
                f" Received: {len(self.ours)} and {len(self.theirs)}. Evaluate both on "
                "the same images."
            )

    @property
    def n(self) -> int:
        """Number of examples."""
        return len(self.ours)

    @property
    def contingency(self) -> dict[str, int]:
        """How many examples are robust for both, for one, for none."""
        ours, theirs = np.asarray(self.ours, bool), np.asarray(self.theirs, bool)
        return {
            "robust in both": int(np.sum(ours & theirs)),
            "broken by ours only": int(np.sum(~ours & theirs)),
            "broken by theirs only": int(np.sum(ours & ~theirs)),
            "broken by both": int(np.sum(~ours & ~theirs)),
        }

    @property
    def p_value(self) -> float:
        """Exact two-sided McNemar test: 1 where each side breaks as many alone."""
        return sign_flip_test(np.asarray(self.ours, int) - np.asarray(self.theirs, int))

    @property
    def disagreements(self) -> np.ndarray:
        """(D,), which examples are robust for one side only."""
        return np.flatnonzero(np.asarray(self.ours) != np.asarray(self.theirs))

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON values."""
        return {
            "implementation": self.implementation,
            "n": self.n,
            "robust_accuracy": float(np.mean(self.theirs)),
            "our_robust_accuracy": float(np.mean(self.ours)),
            "contingency": self.contingency,
            "mcnemar": self.p_value,
            "disagreements": self.disagreements.tolist(),
            "frameworks": list(self.frameworks),
            "ours_on_their_framework": _proof(self.ours_there),
            "theirs_on_our_framework": _proof(self.theirs_here),
        }

    def table(self) -> str:
        """Markdown: accuracies, contingency table, test, and what crosses over."""
        counts, n = self.contingency, self.n
        rows = [("side", f"robust of {n}, % (95 % interval)")]
        for side, robust in (("ours", self.ours), ("theirs", self.theirs)):
            rows.append((side, percent(int(np.sum(robust)), n)))
        cross = [("", "robust in theirs", "broken by theirs")]
        names = (("robust in both", "broken by theirs only"),)
        names += (("broken by ours only", "broken by both"),)
        for side, pair in zip(("robust in ours", "broken by ours"), names, strict=True):
            cross.append((side, *(str(counts[name]) for name in pair)))
        here, there = (name or "the other side" for name in self.frameworks)
        lines = [
            f"Theirs: {self.implementation}. McNemar p = {self.p_value:.2g}.",
            _crossing(f"Our adversarial examples on {there}", self.ours_there),
            _crossing(f"Their adversarial examples on {here}", self.theirs_here),
        ]
        return f"{table(rows)}\n\n{table(cross)}\n\n" + "\n".join(lines) + "\n"


def _proof(leads: np.ndarray | None) -> dict[str, Any] | None:
    if leads is None:
        return None
    return {
        "n": len(leads),
        "fooled": int(np.sum(leads > LEAD)),
        "smallest_lead": float(np.min(leads)) if len(leads) else None,
        "not_fooled": np.flatnonzero(~(leads > LEAD)).tolist(),
    }


def _crossing(what: str, leads: np.ndarray | None) -> str:
    proof = _proof(leads)
    if proof is None:
        return f"{what}: not asked."
    if not proof["n"]:
        return f"{what}: there are none."
    return (
        f"{what}: {proof['fooled']} of {proof['n']} fool it by more than {LEAD:g}; the "
        f"smallest lead is {proof['smallest_lead']:.2g}."
    )


def leads(logits: np.ndarray, y: np.ndarray) -> np.ndarray:
    """By how much the best wrong class leads the true one, (N,); of NaN: infinity.

    Args:
        logits: (N, C).
        y: labels, int (N,).
    """
    rows, others = np.arange(len(y)), np.array(logits, "float64")
    own = others[rows, y].copy()
    others[rows, y] = -np.inf
    lead = others.max(axis=-1) - own
    return np.where(np.isnan(lead), np.inf, lead)
