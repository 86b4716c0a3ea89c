"""What attacks that know the head of a model take beyond the evaluation."""

import warnings

import numpy as np

from keras_mpat.evaluation.checks.check import (
    ERROR,
    Check,
    Finding,
    NotApplicable,
    NotRun,
    within,
)
from keras_mpat.evaluation.checks.check import percent as share
from keras_mpat.evaluation.prototype_attacks import prototype_attacks


def adaptive(subject) -> Finding:
    """C33."""
    model = subject.headed
    if model is None and "no head" in (subject.given.get("twins") or {}):
        raise NotRun("needs the AdversarialModel, whose head the attacks know")
    if model is None:
        raise NotApplicable("the model has no head")
    options = {"train": subject.given.get("train")}
    twins = subject.given.get("twins")
    with warnings.catch_warnings():  # it says which parts are left out; so do we
        warnings.simplefilter("ignore")
        attacks = prototype_attacks(model, subject.threat_model, twins=twins, **options)
    fooled, taken = np.zeros(subject.n, "bool"), {}
    survivors = subject.result.robust[: subject.n]
    for name, attack in attacks.items():
        broken = survivors & ~subject.robust(attack)
        fooled |= broken
        taken[name] = int(broken.sum())
    beyond = float(np.mean(fooled))
    hits = ", ".join(f"{name}: {count}" for name, count in taken.items() if count)
    if not options["train"] and not fooled.any():
        raise NotRun("needs train= for P5; the other attacks break nothing more")
    text = f"{len(attacks)} attacks break {share(beyond)} more ({hits or 'none'})"
    text += "" if twins else "; P8 needs twins="
    return Finding(within(beyond, 0.002, subject.n), text)


CHECKS = (
    Check(
        "C33",
        "attacks that know the head take nothing more",
        ERROR,
        "at most 0.2 points",
        "Publish the worst case of all, these attacks included.",
        adaptive,
    ),
)
