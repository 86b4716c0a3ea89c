"""Whether anything beats the evaluation: noise, black boxes, other losses."""

import numpy as np
from keras import ops

from keras_mpat import backend, noise
from keras_mpat.attacks import FAB, PGD, Transfer
from keras_mpat.evaluation.checks.check import (
    ERROR,
    INFO,
    WARNING,
    Check,
    Finding,
    NotRun,
    within,
)
from keras_mpat.evaluation.checks.check import percent as share
from keras_mpat.evaluation.checks.route import is_same_function
from keras_mpat.evaluation.loading import load_classifier
from keras_mpat.objectives import CrossEntropy, Margin

_MARGIN = Margin(kappa=None)
_NOISE = 1000  # draws of each kind
_GAP, _WIDE_GAP = 0.05, 0.08
_SQUARE, _BLIND = 0.002, 0.005  # shares of all examples


def square(subject) -> Finding:
    """C12."""
    before, after, passed = _square(subject, _SQUARE)
    return Finding(passed, f"white box {share(before)}, after Square {share(after)}")


def blind(subject) -> Finding:
    """C38."""
    before, after, passed = _square(subject, _BLIND)
    text = f"Square takes {100 * (before - after):.2f} points off the white box"
    return Finding(passed, text)


def _square(subject, limit: float) -> tuple[float, float, bool]:
    """Accuracy under what follows gradients, after Square, too, and whether it may.

    Attacks are told apart part by part, in whatever order they are. Where gradients
    follow Square within one attack, they saw only what it had left: a fall within the
    limit would have been no larger after them, but a larger one says nothing.
    """
    subject.part("Square")  # raises where there is none
    result, late = subject.result, False
    square, white = np.zeros((2, result.n), "bool")
    for stage in result.stages:
        before, seen = result.clean, False
        follows = _follows_gradients(subject, subject.attacks[stage.name])
        for part in stage.parts:
            taken, before = before & ~part.correct, part.correct
            if part.name == "Square":
                square, seen = square | taken, True
            elif follows and part.name.startswith(("APGD", "FAB")):
                white, late = white | taken, late or seen
    left = result.clean & ~white
    before, after = float(np.mean(left)), float(np.mean(left & ~square))
    passed = within(before - after, limit, result.n)
    if late and not passed:
        raise NotRun(
            "needs Square after all parts that follow gradients, as in "
            "AutoAttack standard"
        )
    return before, after, passed


def _follows_gradients(subject, attack) -> bool:
    """Of the audited function: its own, or those of a model with the same outputs."""
    return not isinstance(attack, Transfer) or is_same_function(subject, attack)


def random_noise(subject) -> Finding:
    """C13."""
    ball = subject.threat_model

    def run(x, y, keys):
        def draw(i, state):
            (fooled,) = state
            inner = noise.fold(keys, i)
            step = noise.uniform(noise.fold(inner, 1), x.shape[1:], -1.0, 1.0)
            corner = ball.project(x + ball.radius * ball.steepest(step), x)
            for point in (ball.sample(x, inner), corner):
                wrong = CrossEntropy().fooled(y, subject.logits_fn(point))
                fooled = ops.logical_or(fooled, wrong)
            return (fooled,)

        return backend.loop(_NOISE, draw, (ops.zeros_like(y, dtype="bool"),))

    compiled, keys = backend.function(run), subject.keys(13, subject.n)
    (fooled,) = subject.compute(compiled, subject.x, subject.y, keys)
    missed = int(np.sum(fooled & subject.result.robust[: subject.n]))
    text = f"{missed} of {subject.n} broken by noise and by nothing else"
    return Finding(missed == 0, f"{text}; noise breaks {share(np.mean(fooled))}")


def transferred(subject) -> Finding:
    """C14."""
    subject.twin("standard")
    missed, text, rates = np.zeros(subject.n, "bool"), [], []
    white = subject.robust(_transfer_attack(subject))
    for name, twin in subject.given["twins"].items():
        fooled = ~subject.right(_examples_of(subject, twin))
        missed |= fooled & subject.result.robust[: subject.n]
        rates.append(1 - np.mean(fooled))
        text.append(f"from {name} {share(rates[-1])}")
    found = float(np.mean(missed))
    figures = f"white box {share(np.mean(white))}, {', '.join(text)}"
    text = f"{figures}; broken by transfer alone {share(found)}"
    stronger = all(within(np.mean(white) - rate, 0.001, subject.n) for rate in rates)
    return Finding(within(found, 0.001, subject.n) and stronger, text)


def surrogates(subject) -> Finding:
    """C23."""
    twin = subject.twin("standard")
    moved = _examples_of(subject, twin)
    at_home, here = 1 - subject.accuracy(twin, moved), np.mean(~subject.right(moved))
    text = f"examples fool the surrogate in {share(at_home)} of cases"
    return Finding(True, f"{text} and this model in {share(here)}")


def losses(subject) -> Finding:
    """C15."""
    _, cross_entropy = subject.part("APGD-CE")
    gap = _taken_by_margins(subject)
    severity = ERROR if gap > _WIDE_GAP else WARNING
    after = cross_entropy - gap
    text = f"APGD-CE {share(cross_entropy)}, with margins {share(after)}"
    return Finding(gap <= _GAP, f"{text}: {100 * gap:.1f} points", severity)


def _taken_by_margins(subject) -> float:
    """What other losses take after APGD-CE, to the last APGD; not what Square takes."""
    for stage in subject.result.stages:
        parts, names = stage.parts, [part.name for part in stage.parts]
        if "APGD-CE" in names:
            break
    first = names.index("APGD-CE")
    last = max(k for k, name in enumerate(names) if name.startswith("APGD"))
    if last == first:
        raise NotRun("needs an attack on the margin or DLR (AutoAttack has it)")
    return sum(
        parts[k - 1].accuracy - parts[k].accuracy
        for k in range(first + 1, last + 1)
        if names[k].startswith(("APGD", "FAB"))
    )


def nearest(subject) -> Finding:
    """C17."""
    ball, count = subject.threat_model, min(3, subject.num_classes - 1)
    attack = FAB(ball, steps=50, target_classes=count)

    def run(x, y, keys):
        return (attack.closest(subject.logits_fn, x, y, keys)[1],)

    keys = subject.keys(17, subject.n)
    (distance,) = subject.compute(backend.function(run), subject.x, subject.y, keys)
    limit = float(np.max(np.asarray(ball.radius)))
    robust = subject.result.robust[: subject.n]
    missed = float(np.mean((distance <= limit) & robust))
    known = distance[np.isfinite(distance) & (distance > 0)]
    text = f"{share(missed)} closer than epsilon and called robust"
    if len(known):
        text = f"{text}; median distance {np.median(known):.3g}"
    return Finding(within(missed, 0.001, subject.n), text)


def _transfer_attack(subject):
    return PGD(subject.threat_model, steps=50, objective=_MARGIN)


def _examples_of(subject, model) -> np.ndarray:
    """Adversarial examples made on another model."""
    attack = Transfer(_transfer_attack(subject), surrogate=load_classifier(model))
    return subject.found_by(attack, 14)


CHECKS = (
    Check(
        "C12",
        "white box at least as strong as black box",
        WARNING,
        "Square takes at most 0.2 points (at least one example)",
        "Run Square(queries=20000, restarts=10) on a part of the images.",
        square,
    ),
    Check(
        "C13",
        "noise breaks nothing more",
        ERROR,
        f"none of {_NOISE} uniform points and {_NOISE} corners",
        "An attack that noise beats is broken: look at gradients and step sizes.",
        random_noise,
    ),
    Check(
        "C14",
        "transfer breaks nothing more",
        ERROR,
        "at most 0.1 % of the examples are broken by transfer alone",
        "Fold transferred examples into the worst case (attacks.Transfer).",
        transferred,
    ),
    Check(
        "C15",
        "cross-entropy is no easier than margins",
        ERROR,
        "gap at most 5 points; up to 8 a warning",
        "Never quote cross-entropy attacks for this model; look at its logits.",
        losses,
    ),
    Check(
        "C17",
        "no closest point is inside a robust ball",
        ERROR,
        "FAB finds a point within epsilon for at most 0.1 % of robust examples",
        "Add FAB and FMN to the evaluation.",
        nearest,
    ),
    Check(
        "C23",
        "surrogates were fooled themselves (Pintor I5)",
        INFO,
        "reported",
        "Transferred examples that fool no surrogate prove nothing.",
        surrogates,
    ),
    Check(
        "C38",
        "the white box is not blind",
        ERROR,
        "Square takes at most 0.5 points",
        "Gradients do not lead to what queries find: the result is an upper bound.",
        blind,
    ),
)
