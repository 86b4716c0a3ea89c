"""Whether attacks have converged."""

import numpy as np
from keras import ops

from keras_mpat import backend
from keras_mpat.attacks import APGD, FGSM, PGD
from keras_mpat.evaluation.checks.check import (
    ERROR,
    WARNING,
    Check,
    Finding,
    within,
)
from keras_mpat.evaluation.checks.check import percent as share
from keras_mpat.objectives import CrossEntropy, Margin

_MARGIN = Margin(kappa=None)
_SLACK = 0.001  # of the examples, at least one
_GAP = 0.12
_TRACED = 64  # examples whose loss is followed step by step


def ordered(subject) -> Finding:
    """C08."""
    ball, n = subject.threat_model, subject.n
    robust = {
        "FGSM": subject.robust(FGSM(ball)),
        "PGD-10": subject.robust(PGD(ball, steps=10)),
        "PGD-50": subject.robust(PGD(ball, steps=50)),
        "APGD": subject.robust(APGD(ball, steps=50)),
        "all": subject.result.robust[:n],
    }
    accuracies = [float(np.mean(flags)) for flags in robust.values()]
    falls = all(
        within(after - before, _SLACK, n)
        for before, after in zip(accuracies, accuracies[1:], strict=False)
    )
    alone = float(np.mean(~robust["FGSM"] & robust["all"]))
    figures = ", ".join(f"{k} {share(np.mean(v))}" for k, v in robust.items())
    text = f"{figures}; broken by FGSM alone {share(alone)}{subject.route.words}"
    return Finding(falls and alone <= _SLACK, text)


def in_steps(subject) -> Finding:
    """C09."""
    ball = subject.threat_model
    step = ball.radius / 10
    once, twice = (PGD(ball, steps=s, step_size=step) for s in (50, 100))
    first, second = (float(np.mean(subject.robust(a))) for a in (once, twice))
    before, after = (_mean_loss(subject, attack) for attack in (once, twice))
    change = abs(after - before) / max(abs(before), 1e-12)
    text = f"PGD-50 {share(first)}, PGD-100 {share(second)}, loss {100 * change:.1f} %"
    text += subject.route.words
    small = within(first - second, 0.003, subject.n) and change <= 0.01
    return Finding(small, text)


def in_restarts(subject) -> Finding:
    """C10."""
    ball = subject.threat_model
    few, many = (
        subject.robust(PGD(ball, steps=50, restarts=r, objective=_MARGIN))
        for r in (5, 10)
    )
    fall = float(np.mean(few) - np.mean(many))
    text = f"5 restarts {share(np.mean(few))}, 10 restarts {share(np.mean(many))}"
    text += subject.route.words
    return Finding(within(fall, 0.003, subject.n), text)


def one_step(subject) -> Finding:
    """C18."""
    ball = subject.threat_model
    fgsm, pgd = (subject.robust(a) for a in (FGSM(ball), PGD(ball, steps=10)))
    gap = float(np.mean(fgsm) - np.mean(pgd))
    gradient = subject.gradient(CrossEntropy())[0]
    keys = ops.convert_to_tensor(subject.keys(0, subject.n))
    nearby = ball.sample(ops.convert_to_tensor(subject.x), keys)
    moved = subject.gradient(CrossEntropy(), ops.convert_to_numpy(nearby))[0]
    a, b = (g.reshape(subject.n, -1).astype("float64") for g in (gradient, moved))
    size = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    cosine = np.mean(np.sum(a * b, 1) / np.maximum(size, 1e-300))
    text = f"FGSM minus PGD-10 {share(gap)}; cosine of gradients {cosine:.2f}"
    text += subject.route.words
    return Finding(gap <= _GAP, text)


def complete(subject) -> Finding:
    """C22."""
    best = _best_losses(subject)
    missed = subject.result.robust[: best.shape[1]]
    if not missed.any():
        return Finding(True, "no attack failed")
    best = best[:, missed]
    reach = np.maximum(best[-1] - best[0], 1e-12)
    late = (best[-1] - best[-11]) / reach
    done = float(np.mean(late <= 0.05))
    text = f"{share(done)} of failed attacks gained at most 5 % in the last 10 steps"
    return Finding(done >= 0.95, text)


def _best_losses(subject) -> np.ndarray:
    """The best margin after each of 50 steps of PGD, (51, N)."""
    ball = subject.threat_model
    attack = PGD(ball, steps=1, step_size=ball.radius / 10, objective=_MARGIN)
    x, y = subject.x[:_TRACED], subject.y[:_TRACED]

    def step(x_adv, x, y):
        def goal(z):
            logits = subject.logits_fn(z)
            return _MARGIN(y, logits), logits

        return (attack.ascend(goal, x, x_adv),)

    compiled, x_adv, values = backend.function(step), x, []
    for _ in range(51):
        values.append(subject.gradient(_MARGIN, x_adv, y)[1])
        (x_adv,) = subject.compute(compiled, x_adv, x, y)
    return np.maximum.accumulate(np.array(values, "float64"), axis=0)


def _mean_loss(subject, attack) -> float:
    """Mean cross-entropy where the attack ends, on the worse way."""
    ends = [subject.found_by(way, 0) for way in subject.route.of(attack).values()]
    losses = [subject.gradient(CrossEntropy(), x_adv)[1] for x_adv in ends]
    return float(np.mean(np.max(losses, axis=0)))


CHECKS = (
    Check(
        "C08",
        "one step is weaker than many",
        ERROR,
        "falls from FGSM to PGD-10, PGD-50, APGD, all; FGSM alone breaks at most 0.1 %",
        "Gradients mislead longer attacks: look for masking, take smaller steps.",
        ordered,
    ),
    Check(
        "C09",
        "attacks have converged in steps",
        ERROR,
        "PGD-100 within 0.3 points of PGD-50 and its loss within 1 %",
        "Give more steps, or trust APGD, which halves its steps by itself.",
        in_steps,
    ),
    Check(
        "C10",
        "attacks have converged in restarts",
        WARNING,
        "10 restarts within 0.3 points of 5",
        "Give more restarts: AutoAttack(version='plus') or 'strict'.",
        in_restarts,
    ),
    Check(
        "C18",
        "no catastrophic overfitting",
        ERROR,
        f"FGSM minus PGD-10 at most {100 * _GAP:.0f} points",
        "Train with more steps, or with callbacks.CatastrophicOverfittingGuard.",
        one_step,
    ),
    Check(
        "C22",
        "the attack had come to rest (Pintor I4)",
        WARNING,
        "95 % of failed attacks gain at most 5 % of their rise in the last 10 steps",
        "Give more steps or larger ones.",
        complete,
    ),
)
