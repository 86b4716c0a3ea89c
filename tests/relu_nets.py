"""Many small nets with one hidden layer in one classifier, solved by enumeration.

A net is linear where none of its hidden units changes sign, so its smallest margin in a
ball of the maximum norm is the least of the answers of one linear program per pattern
of signs and wrong class. The last input says which net an example is asked of; it is
no feature that an attack may move, and one graph serves all nets.
"""

import itertools
from dataclasses import dataclass

import keras
import numpy as np
from keras import layers, ops

import keras_mpat as mpat

FEATURES, UNITS, EPSILON = 4, 8, 0.25
_LARGEST = 1024  # number of nets: number / 1024 is exact in float32


@dataclass(frozen=True)
class Nets:
    """`count` nets and one point of each, float32; fewer features or units: zeros.

    Attributes:
        first: (count, FEATURES, UNITS).
        bias: (count, UNITS).
        second: (count, UNITS, C).
        last: (count, C).
        x: (count, FEATURES), in [0, 1].
        y: int32 (count,), what each net says of its point.
    """

    first: np.ndarray
    bias: np.ndarray
    second: np.ndarray
    last: np.ndarray
    x: np.ndarray
    y: np.ndarray

    def inputs(self):
        """(count, FEATURES + 1): the points and the numbers of their nets."""
        numbers = np.arange(len(self.x), dtype="float32")[:, None] / _LARGEST
        return np.concatenate([self.x, numbers], axis=1)

    def logits(self, points, number: int):
        """Logits (..., C) in float64 of one net at points (..., FEATURES)."""
        first, bias, second, last = (
            part[number].astype("float64")
            for part in (self.first, self.bias, self.second, self.last)
        )
        return np.maximum(points @ first + bias, 0) @ second + last

    def moved(self, lead):
        """The same nets, whose true class has `lead` (count,) more everywhere."""
        last = self.last.copy()
        last[np.arange(len(last)), self.y] += lead
        return Nets(self.first, self.bias, self.second, last, self.x, self.y)


def random_nets(count, num_classes, seed=0, features=(1, FEATURES)):
    """Nets of up to 4 features and 2 to 8 units that bend somewhere inside the box."""
    rng = np.random.default_rng([seed, num_classes])
    shape = (count, FEATURES, UNITS)
    first = rng.normal(size=shape)
    width = rng.integers(features[0], features[1], size=count, endpoint=True)
    first *= np.arange(FEATURES)[None, :, None] < width[:, None, None]
    first *= np.arange(UNITS) < rng.integers(2, UNITS + 1, (count, 1, 1))
    bends = rng.uniform(size=(count, UNITS, FEATURES))
    bias = -np.einsum("nhd,ndh->nh", bends, first)
    second = rng.normal(size=(count, UNITS, num_classes))
    last = 0.3 * rng.normal(size=(count, num_classes))
    x = rng.uniform(size=(count, FEATURES))
    parts = [part.astype("float32") for part in (first, bias, second, last, x)]
    nets = Nets(*parts, np.zeros(count, "int32"))
    said = [int(nets.logits(nets.x[n], n).argmax()) for n in range(count)]
    return Nets(*parts, np.array(said, "int32"))


def ball(norm=mpat.Linf, epsilon=EPSILON):
    """The threat model: the number of the net cannot change."""
    return norm(epsilon, mutable=np.arange(FEATURES + 1) < FEATURES)


@keras.saving.register_keras_serializable("keras_mpat_tests")
class Chosen(layers.Layer):
    """Asks the net that the last input names."""

    def __init__(self, count, units, num_classes, **kwargs):
        super().__init__(**kwargs)
        self.count, self.units, self.num_classes = count, units, num_classes

    def build(self, shape):
        count, features = self.count, shape[-1] - 1
        self.first = self.add_weight(shape=(count, features, self.units))
        self.bias = self.add_weight(shape=(count, self.units))
        self.second = self.add_weight(shape=(count, self.units, self.num_classes))
        self.last = self.add_weight(shape=(count, self.num_classes))

    def call(self, x):
        number = ops.cast(ops.round(x[:, -1] * _LARGEST), "int32")
        number = number % self.count  # a first look at the model sends any input
        first, bias, second, last = (
            ops.take(part, number, axis=0)
            for part in (self.first, self.bias, self.second, self.last)
        )
        # Sums in one order, whatever the batch: products of matrices have many.
        hidden = ops.relu(ops.sum(x[:, :-1, None] * first, axis=1) + bias)
        return ops.sum(hidden[:, :, None] * second, axis=1) + last

    def get_config(self):
        own = {"count": self.count, "units": self.units}
        return super().get_config() | own | {"num_classes": self.num_classes}


def classifier(nets: Nets):
    """A Keras classifier of `nets.inputs()`."""
    count, units, num_classes = nets.second.shape
    layer = Chosen(count, units, num_classes)
    model = keras.Sequential([keras.Input((FEATURES + 1,)), layer])
    layer.set_weights([nets.first, nets.bias, nets.second, nets.last])
    return model


def worst_margins(nets: Nets, epsilon=EPSILON):
    """The smallest z_y - max other in ball and box of each point, exact, (count,)."""
    return np.array([_worst_margin(nets, n, epsilon) for n in range(len(nets.x))])


def _worst_margin(nets, number, epsilon):
    first, bias, second, last, x = (
        part[number].astype("float64")
        for part in (nets.first, nets.bias, nets.second, nets.last, nets.x)
    )
    low, high = np.maximum(x - epsilon, 0), np.minimum(x + epsilon, 1)
    least, most = (
        bias + a @ np.maximum(first, 0) + b @ np.minimum(first, 0)
        for a, b in ((low, high), (high, low))
    )
    bending = np.flatnonzero((least < 0) & (most > 0))  # the others keep their sign
    label, worst = nets.y[number], np.inf
    for pattern in itertools.product((False, True), repeat=len(bending)):
        active = least >= 0
        active[bending] = pattern
        signs = np.where(active, 1.0, -1.0)[bending]
        region = -(first[:, bending] * signs).T, bias[bending] * signs
        for other in set(range(len(last))) - {int(label)}:
            gain = (second[:, label] - second[:, other]) * active
            found = _least(first @ gain, *region, low, high)
            if found is None:
                break  # no point has this pattern
            constant = bias @ gain + last[label] - last[other]
            worst = min(worst, found + constant)
    return worst


def _least(slope, rows, limits, low, high):
    """The least slope @ z with rows @ z <= limits in a box; None: no such point."""
    from scipy.optimize import linprog

    bounds = list(zip(low, high, strict=True))
    rows, limits = (rows, limits) if len(rows) else (None, None)
    solved = linprog(slope, A_ub=rows, b_ub=limits, bounds=bounds, method="highs")
    return solved.fun if solved.status == 0 else None
