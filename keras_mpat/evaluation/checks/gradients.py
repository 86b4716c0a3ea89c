"""Whether gradients exist, are right, and tell an attack where to go."""

import numpy as np
from keras import ops

from keras_mpat import noise
from keras_mpat.evaluation.checks.check import ERROR, WARNING, Check, Finding, within
from keras_mpat.evaluation.checks.check import percent as share
from keras_mpat.objectives import DLR, CrossEntropy, Margin

_MARGIN, _CROSS_ENTROPY = Margin(kappa=None), CrossEntropy()
_FEW = 0.01
_DIRECTIONS, _DIFFERENCED, _STEP = 20, 50, 3e-4
_DRAWS = 100


def exist(subject) -> Finding:
    """C06."""
    correct, text, worst = _correct(subject), [], "pass"
    objectives = {"cross-entropy": _CROSS_ENTROPY, "margin": _MARGIN}
    if subject.num_classes >= 3:
        objectives["DLR"] = DLR()
    for name, objective in objectives.items():
        gradient, values = subject.gradient(objective)
        if not (np.isfinite(gradient).all() and np.isfinite(values).all()):
            return Finding(False, f"the gradient of {name} is not finite")
        zero = float(np.mean(_largest(gradient)[correct] == 0)) if correct.any() else 0
        text.append(f"{name} {share(zero)}")
        if name == "cross-entropy":
            worst = worst if within(zero, _FEW, subject.n) else "warning"
        elif zero > 0:
            worst = ERROR
    severity = ERROR if worst == ERROR else WARNING
    return Finding(worst == "pass", f"zero gradients: {', '.join(text)}", severity)


def right(subject) -> Finding:
    """C07."""
    x, y = subject.x[:_DIFFERENCED], subject.y[:_DIFFERENCED]
    gradient, _ = subject.gradient(_MARGIN, x, y)
    low, high = (np.asarray(bound, "float32") for bound in subject.threat_model.bounds)
    step = (_STEP * (high - low)).astype("float32")
    measured, expected = [], []
    for draw in range(_DIRECTIONS):
        keys = ops.convert_to_tensor(subject.keys(draw, len(x)))
        signs = ops.sign(noise.uniform(keys, x.shape[1:], -1.0, 1.0))
        signs = ops.convert_to_numpy(signs)
        ahead, back = x + step * signs, x - step * signs
        rise = _value(subject, ahead, y) - _value(subject, back, y)
        measured.append(rise / (2 * _STEP))
        slope = (gradient * signs * (high - low)).reshape(len(x), -1)
        expected.append(slope.astype("float64").sum(-1))
    measured, expected = np.array(measured), np.array(expected)
    size = np.linalg.norm(expected, axis=0)
    error = np.linalg.norm(measured - expected, axis=0) / np.maximum(size, 1e-12)
    cosine = np.sum(measured * expected, 0)
    cosine = cosine / np.maximum(np.linalg.norm(measured, axis=0) * size, 1e-12)
    text = f"median error {np.median(error):.2g}, cosine {np.median(cosine):.4f}"
    return Finding(bool(np.median(error) <= 1e-2 and np.median(cosine) >= 0.99), text)


def saturated(subject) -> Finding:
    """C16."""
    correct = _correct(subject)
    gradient, values = subject.gradient(_CROSS_ENTROPY)
    size = np.abs(gradient.reshape(subject.n, -1)).sum(-1)
    flat = (values < 1e-6) | (size < 1e-8 * gradient[0].size)
    found = float(np.mean(flat[correct])) if correct.any() else 0.0
    spread = np.ptp(subject.predict(subject.x), axis=-1)
    text = f"{share(found)} of correct examples; median spread of logits "
    return Finding(within(found, _FEW, subject.n), f"{text}{np.median(spread):.3g}")


def available(subject) -> Finding:
    """C19."""
    gradient, _ = subject.gradient(_MARGIN)
    lost = float(np.mean(_largest(gradient) == 0))
    finite = bool(np.isfinite(gradient).all())
    return Finding(
        finite and lost == 0, f"unavailable for {share(lost)} of the examples"
    )


def stable(subject) -> Finding:
    """C20."""
    low, high = (np.asarray(bound, "float32") for bound in subject.threat_model.bounds)
    reach = (high - low) * (8 / 255) / 2
    _, start = subject.gradient(_CROSS_ENTROPY)
    change = np.zeros(subject.n)
    for draw in range(_DRAWS):
        keys = ops.convert_to_tensor(subject.keys(draw, subject.n))
        step = noise.uniform(keys, subject.x.shape[1:], -1.0, 1.0)
        moved = subject.x + reach * ops.convert_to_numpy(step)
        values = _value(subject, moved, subject.y, _CROSS_ENTROPY)
        relative = np.abs(values - start) / np.maximum(np.abs(start), 1e-12)
        change += np.minimum(relative, 1.0) / _DRAWS
    text = f"mean relative change of the cross-entropy {change.mean():.3f}"
    return Finding(bool(change.mean() <= 0.1), f"{text} in noise of 4/255")


def dead(subject) -> Finding:
    """C37."""
    text = f"{share(subject.route.own)} of the input features"
    for name, through in subject.route.others.items():
        text = f"{text}, {share(through)} for {name!r}, which goes another way"
    return Finding(subject.route.is_alive, text)


def _correct(subject) -> np.ndarray:
    return subject.right(subject.x)


def _largest(gradient: np.ndarray) -> np.ndarray:
    return np.abs(gradient.reshape(len(gradient), -1)).max(-1)


def _value(subject, x, y, objective=_MARGIN) -> np.ndarray:
    return subject.gradient(objective, x.astype("float32"), y)[1].astype("float64")


CHECKS = (
    Check(
        "C06",
        "input gradients exist",
        ERROR,
        "finite; zero for no correct example (cross-entropy: at most 1 %, a warning)",
        "Remove rounding, argmax and stop_gradient from the model, or attack without.",
        exist,
    ),
    Check(
        "C07",
        "input gradients are those of the function",
        WARNING,
        "median error of directional derivatives at most 1e-2, cosine at least 0.99",
        "Look for a custom gradient or noise; then trust Square more than PGD.",
        right,
    ),
    Check(
        "C16",
        "the loss is not saturated",
        WARNING,
        "at most 1 % of correct examples below 1e-6 or with a gradient below 1e-8 d",
        "Attack the margin or DLR: cross-entropy has no digits left.",
        saturated,
    ),
    Check(
        "C19",
        "gradients are available everywhere (Pintor I1)",
        ERROR,
        "not zero and finite for every example",
        "Replace what cuts the gradient by something smooth in the attack (BPDA).",
        available,
    ),
    Check(
        "C20",
        "the loss is stable (Pintor I2)",
        WARNING,
        "mean relative change of the cross-entropy in noise of 4/255 at most 0.1",
        "Average gradients over noise (eot_iterations), or smooth the loss.",
        stable,
    ),
    Check(
        "C37",
        "no dead coordinates",
        ERROR,
        "gradient 0 at the image but not across the interval for at most 1 % of pixels",
        "A monotone part saturates there: attack behind it, in its exact image "
        "(Transfer(AutoAttack(ball), surrogate=the same function with gradients)).",
        dead,
    ),
)
