"""What the tests of Square share: small problems, closed forms, runs of each length."""

import numpy as np
from keras import ops

from keras_mpat import attacks, backend, noise

SHAPE = (8, 8, 1)
KEYS = noise.keys(3, 24)
_LONG = 50  # queries from which a graph is faster than eager mode


def to_numpy(tensor):
    return ops.convert_to_numpy(tensor)


def linear(seed=0, count=24, classes=3, shape=SHAPE, low=0.0, high=1.0):
    """(logits_fn, x, y, kernel): a linear model and inputs that it gets right."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(low, high, size=(count, *shape)).astype("float32")
    kernel = rng.normal(size=(int(np.prod(shape)), classes)).astype("float32")
    y = np.argmax(x.reshape(count, -1) @ kernel, axis=-1).astype("int32")

    def logits_fn(x):
        return ops.matmul(ops.reshape(x, (-1, kernel.shape[0])), kernel)

    return logits_fn, x, y, kernel


def margins(logits_fn, x, y):
    """z_y - max of the others in float64, (B,)."""
    logits = to_numpy(logits_fn(ops.convert_to_tensor(x))).astype("float64")
    rows = np.arange(len(y))
    own = logits[rows, y]
    logits[rows, y] = -np.inf
    return own - logits.max(axis=-1)


def fooled(logits_fn, x, y):
    """Which inputs are misclassified, bool (B,)."""
    logits = to_numpy(logits_fn(ops.convert_to_tensor(x)))
    return np.argmax(logits, axis=-1) != y


def results(ball, logits_fn, x, y, counts, **fields):
    """x_adv of one run, after each of these counts of queries."""
    x, y = ops.convert_to_tensor(x), ops.convert_to_tensor(y)
    found = []
    for count in counts:
        attack = attacks.Square(ball, queries=count, **fields)

        def run(x, y, keys, attack=attack):
            return attack(logits_fn, x, y, keys)

        if count >= _LONG:
            run = backend.function(run)
        found.append(to_numpy(run(x, y, KEYS[: x.shape[0]])))
    return found


def weaknesses(x, y, kernel, epsilon, norm):
    """Exact worst margin of a linear model in the ball, (B,); Linf keeps to the box.

    That of L2 ignores the box, so it is a lower bound.
    """
    worst = []
    for row, label in zip(x.reshape(len(x), -1).astype("float64"), y, strict=True):
        leads = []
        for other in range(kernel.shape[1]):
            if other == label:
                continue
            slope = (kernel[:, label] - kernel[:, other]).astype("float64")
            if norm == "Linf":
                room = np.minimum(epsilon, np.where(slope > 0, row, 1 - row))
                loss = np.sum(np.abs(slope) * room)
            else:
                loss = epsilon * np.linalg.norm(slope)
            leads.append(slope @ row - loss)
        worst.append(min(leads))
    return np.array(worst)
