"""The threat model, and whether the examples that were found lie in it."""

import numpy as np
from keras import ops

from keras_mpat import backend
from keras_mpat.attacks import APGD
from keras_mpat.evaluation.checks.check import (
    ERROR,
    WARNING,
    Check,
    Finding,
    NotRun,
    within,
)
from keras_mpat.evaluation.checks.check import percent as share
from keras_mpat.input_checks import check_inputs, check_scale
from keras_mpat.objectives import CrossEntropy, Margin

_ROUNDED = 0.01  # of the examples that may be right again on the grid of grey levels
_RECORDED = 32  # examples whose every query is looked at
_STEPS = 20


def stated(subject) -> Finding:
    """C05."""
    ball = subject.threat_model
    try:
        check_inputs(subject.all_x, ball, subject.classifier.input_shape[1:])
        check_scale(subject.all_x, ball)
    except ValueError as error:
        return Finding(False, str(error).split(". ")[0])
    low, high = float(subject.all_x.min()), float(subject.all_x.max())
    text = f"{ball!r}, inputs from {low:.3g} to {high:.3g}"
    return Finding(bool(np.max(np.asarray(ball.radius)) > 0), text)


def silent(subject) -> Finding:
    """C21."""
    if backend.NAME == "jax":
        raise NotRun("needs TensorFlow or torch, where attacks run eagerly")
    x, y = subject.x[:_RECORDED], subject.y[:_RECORDED]
    seen = np.zeros(len(x), "bool")
    x, y = ops.convert_to_tensor(x), ops.convert_to_tensor(y)

    def recorded(z):
        logits = subject.logits_fn(z)
        fooled = ops.convert_to_numpy(CrossEntropy().fooled(y, logits))
        np.logical_or(seen, fooled, out=seen)
        return logits

    attack = APGD(subject.threat_model, steps=_STEPS, objective=Margin(kappa=None))
    found = ops.convert_to_numpy(attack(recorded, x, y, seed=0))
    lost = int(np.sum(seen & subject.right(found, ops.convert_to_numpy(y))))
    queries = f"{_STEPS + 1} queries on each of {len(seen)} examples"
    return Finding(lost == 0, f"{lost} fooled on the way and not at the end, {queries}")


def valid(subject) -> Finding:
    """C25."""
    x_adv, broken = subject.adversarial
    result, x, y = subject.result, subject.all_x, subject.all_y
    if not broken.any():
        return Finding(True, "no example was broken by the attacks")
    x_adv, x, y = x_adv[broken], x[broken].astype("float32"), y[broken]
    inside = subject.threat_model.project(*map(ops.convert_to_tensor, (x_adv, x)))
    outside = float(np.abs(ops.convert_to_numpy(inside) - x_adv).max())
    wrong = ~subject.right(x_adv, y.astype("int32"))
    agrees = bool(np.all(wrong)) and not np.any(result.robust[broken])
    text = (
        f"{len(x)} stored examples: {outside:.2g} outside, {share(wrong.mean())} fool"
    )
    return Finding(bool(np.isfinite(x_adv).all()) and outside <= 1e-6 and agrees, text)


def rounded(subject) -> Finding:
    """C26."""
    x_adv, broken = subject.adversarial
    if not broken.any():
        return Finding(True, "no example was broken by the attacks")
    low, high = (np.asarray(b, "float64") for b in subject.threat_model.bounds)
    step = (high - low) / 255
    grid = low + np.round((x_adv[broken] - low) / step) * step
    x = subject.all_x[broken].astype("float32")
    grid = [ops.convert_to_tensor(part) for part in (grid.astype("float32"), x)]
    grid = ops.convert_to_numpy(subject.threat_model.project(*grid))
    again = subject.right(grid, subject.all_y[broken].astype("int32")).sum()
    lost = again / len(x_adv)
    text = f"{share(lost)} of the examples are right again on 256 grey levels"
    return Finding(within(lost, _ROUNDED, len(x_adv)), text)


CHECKS = (
    Check(
        "C05",
        "the threat model is stated and the inputs fit it",
        ERROR,
        "epsilon above 0, every input inside the bounds",
        "Normalize inside the model, and give images in the bounds of the ball.",
        stated,
    ),
    Check(
        "C21",
        "no success is lost on the way (Pintor I3)",
        ERROR,
        "none",
        "Keep the best point of a run: an attack that forgets makes nets look robust.",
        silent,
    ),
    Check(
        "C25",
        "stored adversarial examples are valid",
        ERROR,
        "finite, in the ball and the box, all fool in float32 when read again",
        "Remove the state folder and evaluate again; files and weights do not match.",
        valid,
    ),
    Check(
        "C26",
        "adversarial examples survive 8 bits",
        WARNING,
        f"at most {share(_ROUNDED)} of the examples are right again after rounding",
        "Round inside the attack, and look for a step between grey levels in the net.",
        rounded,
    ),
)
