"""`loss_surface`: the loss around examples, along an attack and at random.

    surface = loss_surface(model, x, y, attacks.PGD(Linf(0.3), steps=50))
    surface.loss  # (21, 21)

A surface that is flat at the example and steep beside it, or rough, hides its gradient:
what attacks do not find there proves little.
"""

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from keras_mpat import backend, noise
from keras_mpat.configurable import check_count
from keras_mpat.evaluation.attacked import attacked
from keras_mpat.evaluation.curves import write_rows
from keras_mpat.evaluation.embeddings import as_array
from keras_mpat.evaluation.loading import load_classifier
from keras_mpat.objectives import CrossEntropy, class_ids

_FAR = 1e3  # radii: so that projection decides how long the direction is
_BATCH = 128


@dataclass(frozen=True, eq=False)
class LossSurface:
    """Cross-entropy at x + a (x_adv - x) + b d, in the ball, with a and b in [-1, 1].

    Attributes:
        shares: float64 (P,), the values of a, and those of b.
        loss: float64 (P, P), the mean over the examples; row: a, column: b.
        accuracy: float64 (P, P), the share of them that is classified right there.
        n: number of examples.
    """

    shares: np.ndarray
    loss: np.ndarray
    accuracy: np.ndarray
    n: int

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON values."""
        return {
            "n": self.n,
            "shares": self.shares.tolist(),
            "loss": self.loss.tolist(),
            "accuracy": self.accuracy.tolist(),
        }


def loss_surface(
    model_or_path, x, y, attack, *, points: int = 21, seed: int = 0
) -> LossSurface:
    """The loss on a plane through each example.

    One direction leads to the example that the attack finds. The other is random: a
    sign for each feature (Rademacher), as far as the ball and the box let it go. Points
    of the plane beyond the ball are projected into it: the surface holds what the
    adversary may do, and nothing else.

    Args:
        model_or_path: as in `evaluate_robustness`.
        x: clean inputs (N, ...); of several, means are told.
        y: their classes, (N,), (N, 1) or one-hot.
        attack: any attack.
        points: P, an odd number >= 3: one is the example itself.
        seed: of the attack's noise and of the direction, >= 0.

    Raises:
        ValueError: `points` is no odd number >= 3, or what `attacked` refuses.
    """
    check_count("points", points, "The usual number is 21.", minimum=3)
    if points % 2 == 0:
        raise ValueError(
            "`points` must be odd, so that the example itself is one. Received: "
            f"points={points}. Pass {points + 1}."
        )
    classifier = load_classifier(model_or_path)
    x_adv = attacked(classifier, x, y, attack, batch_size=_BATCH, seed=seed)
    x, y = as_array(x).astype("float32"), as_array(y)
    look = _look(classifier, attack.threat_model)
    shares = np.linspace(-1.0, 1.0, points)
    totals = np.zeros((2, points, points))
    for start in range(0, len(x), _BATCH):
        rows = np.arange(start, min(start + _BATCH, len(x)))
        image, found, label = map(
            ops.convert_to_tensor, (x[rows], x_adv[rows], y[rows])
        )
        keys = noise.fold(noise.of_indices(seed, rows), 1)
        plane = found - image, _random(attack.threat_model, image, keys)
        for (i, a), (j, b) in _pairs(shares):
            at = map(ops.convert_to_tensor, np.array([a, b], "float32"))
            totals[:, i, j] += [float(part) for part in look(image, label, *plane, *at)]
    return LossSurface(shares, *(totals / len(x)), n=len(x))


def _random(ball, x, keys):
    """A direction of random signs, (B, ...), that ends on the ball or the box."""
    signs = ops.sign(noise.uniform(keys, tuple(x.shape[1:]), -1.0, 1.0))
    far = _FAR * ops.max(ops.convert_to_tensor(ball.radius, "float32"))
    return ball.project(x + far * signs, x) - x


def _look(classifier, ball):
    """(sum of losses, number of right answers) at points of the planes."""

    def look(x, y, first, second, a, b):
        point = ball.project(x + a * first + b * second, x)
        logits = classifier(point, training=False)
        logits, loss = ops.cast(logits, "float32"), CrossEntropy()
        labels = class_ids(y, logits.shape[-1])
        right = ops.cast(~loss.fooled(labels, logits), "int32")
        return ops.sum(loss(labels, logits)), ops.sum(right)

    return backend.function(look)


def _pairs(shares: np.ndarray):
    return [(one, other) for one in enumerate(shares) for other in enumerate(shares)]


def write_surface(surface: LossSurface, path: str | os.PathLike) -> None:
    """Writes a CSV file with one line per point: both shares, loss and accuracy."""
    lines = [
        {
            "adversarial": float(a),
            "random": float(b),
            "loss": float(surface.loss[i, j]),
            "accuracy": float(surface.accuracy[i, j]),
        }
        for (i, a), (j, b) in _pairs(surface.shares)
    ]
    write_rows(lines, path)
