"""Whether other seeds say the same."""

import re

import numpy as np

from keras_mpat.evaluation.checks.check import ERROR, Check, Finding, NotRun

_SEEDS = 3


def seeds(subject) -> Finding:
    """C32."""
    runs = [*subject.need("runs", f"runs=[...], of other seeds, {_SEEDS} in all")]
    runs.append(subject.result)
    if any(run.evidence is None for run in runs):
        raise NotRun("needs runs that say whose they are (of this version)")
    inputs = {run.evidence.sha256["inputs"] for run in runs}
    plans = {tuple((s.name, _unweighted(s.attack)) for s in run.stages) for run in runs}
    if len(inputs) > 1 or len(plans) > 1:
        raise NotRun("needs runs on the same images under the same attacks")
    own = {run.evidence.sha256["weights"]: run for run in runs}
    values = [100 * run.robust_accuracy for run in own.values()]
    text = f"{len(values)} seeds: mean {np.mean(values):.2f}, worst {min(values):.2f}"
    spread = np.std(values, ddof=1) if len(values) > 1 else float("nan")
    return Finding(len(values) >= _SEEDS, f"{text}, deviation {spread:.2f} points")


def _unweighted(attack: str) -> str:
    """What an attack is called, whatever its surrogates: each seed has its own."""
    return re.sub(r", weights [0-9a-f]+", "", attack)


CHECKS = (
    Check(
        "C32",
        "several seeds",
        ERROR,
        f"at least {_SEEDS}; compare methods with evaluation.compare",
        "Train again with other seeds; report mean and worst.",
        seeds,
    ),
)
