"""The threat model, and whether the examples that were found lie in it."""

import numpy as np
from keras import ops

from keras_mpat import backend
from keras_mpat.attacks.hyperplane import relative_distance
from keras_mpat.evaluation.checks.check import (
    ERROR,
    WARNING,
    Check,
    Finding,
    NotRun,
    within,
)
from keras_mpat.evaluation.checks.check import percent as share
from keras_mpat.evaluation.verdicts import tolerance
from keras_mpat.input_checks import check_inputs, check_scale
from keras_mpat.models.checks import shapes
from keras_mpat.objectives import CrossEntropy

_ROUNDED = 0.01  # of the examples that may be right again on the grid of grey levels
_RECORDED = 16  # examples whose every query is looked at
_LONGEST = 300  # passes of a run that is followed


def stated(subject) -> Finding:
    """C05."""
    ball = subject.threat_model
    try:
        check_inputs(subject.all_x, ball, shapes(subject.classifier)[0][1:])
        check_scale(subject.all_x, ball)
    except ValueError as error:
        return Finding(False, str(error).split(". ")[0])
    others = [p.name for p in subject.plan if p.value.threat_model != ball]
    if others:
        return Finding(False, f"{', '.join(others)} have another threat model")
    low, high = float(subject.all_x.min()), float(subject.all_x.max())
    text = f"{ball!r}, inputs from {low:.3g} to {high:.3g}"
    return Finding(bool(np.max(np.asarray(ball.radius)) > 0), text)


def silent(subject) -> Finding:
    """C21."""
    if backend.NAME == "jax":
        raise NotRun("needs TensorFlow or torch, where attacks run eagerly")
    x, y = subject.x[:_RECORDED], subject.y[:_RECORDED]
    parts = [part for part in subject.plan if part.value.passes <= _LONGEST]
    if not parts:
        raise NotRun("needs an attack of at most 300 passes a run")
    lost = sum(_lost(subject, part.value, x, y) for part in parts)
    names = ", ".join(part.name for part in parts)
    return Finding(lost == 0, f"{lost} of {len(x)} lost by a run of {names}")


def _lost(subject, attack, x, y) -> int:
    """Examples that a run has fooled inside the ball, and returns unfooled."""
    seen, ball = np.zeros(len(x), "bool"), attack.threat_model
    x_tensor, y_tensor = ops.convert_to_tensor(x), ops.convert_to_tensor(y)
    limit = float(np.max(np.asarray(ball.radius))) * (1 + 1e-6)

    def recorded(z):
        logits = subject.logits_fn(z)
        fooled = CrossEntropy().fooled(y_tensor, logits)
        fooled = ops.logical_and(fooled, relative_distance(ball, z, x_tensor) <= limit)
        np.logical_or(seen, ops.convert_to_numpy(fooled), out=seen)
        return logits

    keys = ops.convert_to_tensor(subject.keys(21, len(x)))
    found = ops.convert_to_numpy(attack.run(recorded, x_tensor, y_tensor, keys, 0))
    return int(np.sum(seen & subject.right(found, y)))


def valid(subject) -> Finding:
    """C25."""
    x_adv, broken = subject.adversarial
    result, x, y = subject.result, subject.all_x, subject.all_y
    if not broken.any():
        return Finding(True, "no example was broken by the attacks")
    x, y = x[broken].astype("float32"), y[broken]
    inside = subject.threat_model.project(*map(ops.convert_to_tensor, (x_adv, x)))
    outside = float(np.abs(ops.convert_to_numpy(inside) - x_adv).max())
    wrong = ~subject.right(x_adv, y.astype("int32"))
    agrees = bool(np.all(wrong)) and not np.any(result.robust[broken])
    text = (
        f"{len(x)} stored examples: {outside:.2g} outside, {share(wrong.mean())} fool"
    )
    held = outside <= tolerance(subject.threat_model)
    return Finding(bool(np.isfinite(x_adv).all()) and held and agrees, text)


def rounded(subject) -> Finding:
    """C26."""
    x_adv, broken = subject.adversarial
    if not broken.any():
        return Finding(True, "no example was broken by the attacks")
    low, high = (np.asarray(b, "float64") for b in subject.threat_model.bounds)
    step = (high - low) / 255
    grid = low + np.round((x_adv - low) / step) * step
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
