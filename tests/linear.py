"""Linear classifiers whose worst case is known, and what an attack makes of them."""

import numpy as np
from keras import ops

from keras_mpat import backend
from keras_mpat.threat_models import Linf

FEATURES, COUNT = 10, 60


def problem(num_classes):
    """(weights, bias, x, y): y is what the classifier says of x."""
    rng = np.random.default_rng(num_classes)
    weights = rng.normal(size=(FEATURES, num_classes)).astype("float32")
    bias = rng.normal(scale=0.3, size=num_classes) - 0.5 * weights.sum(axis=0)
    bias = bias.astype("float32")  # in the middle of the box no class is far ahead
    x = rng.uniform(size=(COUNT, FEATURES)).astype("float32")
    x[:, 0], x[:20, 1] = 0.0, 1.0  # the box matters
    return weights, bias, x, (x @ weights + bias).argmax(-1)


def _worst_margins(weights, bias, x, y, ball):
    """The smallest z_y - max other in the ball; for L2 the box is left out. (B,)."""
    weights, bias, x = (part.astype("float64") for part in (weights, bias, x))
    worst = []
    for point, label in zip(x, y, strict=True):
        margins = []
        for other in set(range(weights.shape[1])) - {label}:
            slope = weights[:, label] - weights[:, other]
            margin = slope @ point + bias[label] - bias[other]
            if isinstance(ball, Linf):
                room = np.where(slope > 0, point, 1 - point)
                loss = np.sum(np.abs(slope) * np.minimum(ball.radius, room))
            else:
                loss = ball.radius * np.linalg.norm(slope)
            margins.append(margin - loss)
        worst.append(min(margins))
    return np.array(worst)


def ball_of(norm, given):
    """The ball in which about half of the examples can be fooled, and who they are."""

    def vulnerable(radius):
        return _worst_margins(*given, norm(radius)) < 0

    radii = np.linspace(0.02, 0.28, 27).round(3)
    shares = np.array([np.mean(vulnerable(float(radius))) for radius in radii])
    radius = float(radii[np.abs(shares - 0.5).argmin()])
    margins = np.abs(_worst_margins(*given, norm(radius)))
    assert margins.min() > 1e-4 and 0.2 < np.mean(vulnerable(radius)) < 0.8
    return norm(radius), vulnerable(radius)


def flags_of(attack, weights, bias, x, y, scale=1.0, shift=0.0):
    def logits_fn(x):
        return (ops.matmul(x, weights) + bias) * scale + shift

    def compiled(x, y):
        return attack(logits_fn, x, y, seed=0)

    x_adv = backend.function(compiled)(ops.convert_to_tensor(x), y.astype("int32"))
    distance = ops.convert_to_numpy(attack.threat_model.distance(x_adv, x))
    assert distance.max() <= attack.threat_model.radius * (1 + 1e-5)
    x_adv = ops.convert_to_numpy(x_adv)
    assert x_adv.min() >= 0 and x_adv.max() <= 1
    return (x_adv @ weights + bias).argmax(-1) != y


def away_from_the_box(num_classes):
    """As `problem`, with points that the L2 balls of `ball_of` do not lead out of."""
    weights, bias, x, _ = problem(num_classes)
    x = 0.3 + 0.4 * x
    return weights, bias, x, (x @ weights + bias).argmax(-1)
