"""How bounds go through a layer: boxes forward, linear functions backward.

Forward, a rule maps the boxes of a layer's inputs to a box of its outputs. Backward, it
maps lower bounds that are linear in the outputs, rows (B, R, ...), to such bounds that
are linear in the inputs: `pull` returns

    parts    rows for each input
    offset   (B, R), what the bound has gained
    slack    (B, R), what rounding may take away from it

A rule that `bends` is not linear: it relaxes, or has no `pull` at all, and the bound
ends at the box of its outputs.

References:
    Gowal et al., arXiv:1810.12715 (boxes); Zhang et al., arXiv:1811.00866, and
    arXiv:1906.06316, section 3 (backward).
"""

import abc
from collections.abc import Callable, Sequence

from keras import ops

from keras_mpat import backend
from keras_mpat.evaluation.certification.rounding import (
    TINY,
    Box,
    flat_rows,
    relative,
    total,
)

_FEW = relative(16)


class Rule(abc.ABC):
    """One layer, or the activation inside one."""

    bends = False

    @abc.abstractmethod
    def forward(self, boxes: Sequence[Box]) -> Box:
        """The box of the outputs."""

    def pull(self, rows, boxes: Sequence[Box], out: Box):
        """(parts, offset, slack), or `None`: the bound ends at `out`."""
        return None


class Affine(Rule):
    """A linear layer with a bias.

    Args:
        product: x (B, ...) -> the layer's sums without bias.
        magnitude: the same with the absolute values of its weights.
        bias: broadcasts to an output.
        terms: most float32 operations on a summand, forward or backward.
        bias_size: sum of the magnitudes that the bias is made of; default |bias|.
    """

    def __init__(
        self, product: Callable, magnitude: Callable, bias, terms: int, bias_size=None
    ):
        self._product, self._magnitude = product, magnitude
        self._bias = ops.convert_to_tensor(bias, "float32")
        given = self._bias if bias_size is None else bias_size
        self._bias_size = ops.abs(ops.convert_to_tensor(given, "float32"))
        # Twice: the classifier rounds, and so do the bounds.
        self._error = 2 * relative(terms + 16)

    def forward(self, boxes):
        (box,) = boxes
        middle = box.low / 2 + box.high / 2
        radius = ops.maximum(box.high - middle, middle - box.low) * (1 + _FEW)
        both = self._magnitude(ops.concatenate([radius, box.size()], axis=0))
        spread, gain = ops.split(both * (1 + self._error), 2, axis=0)
        gain = gain + self._bias_size
        spread = spread + self._error * gain + TINY
        center = self._product(middle) + self._bias
        return Box(center - spread, center + spread, gain)

    def pull(self, rows, boxes, out):
        part = transposed(self._product, rows, boxes[0].low)
        gained = rows * self._bias
        slack = self._error * total(ops.abs(rows) * out.gain[:, None])
        return [part], *_summed(gained, slack)


class Rearrangement(Rule):
    """A layer that only moves numbers, or sets some to 0: nothing is rounded."""

    def __init__(self, function: Callable):
        self._function = function

    def forward(self, boxes):
        (box,) = boxes
        return Box(self._function(box.low), self._function(box.high))

    def pull(self, rows, boxes, out):
        none = ops.zeros(rows.shape[:2])
        return [transposed(self._function, rows, boxes[0].low)], none, none


class Monotone(Rule):
    """A function of each number alone that never falls.

    Args:
        function: (B, ...) -> (B, ...).
        accuracy: of the function in float32, relative to 1 + its magnitude.
    """

    bends = True

    def __init__(self, function: Callable, accuracy: float = 2.0**-19):
        self._function, self._accuracy = function, accuracy

    def forward(self, boxes):
        (box,) = boxes
        image = Box(self._function(box.low), self._function(box.high))
        if not self._accuracy:
            return image
        return image.widened(self._accuracy * (1 + image.size()))


class Hinge(Monotone):
    """ReLU, or leaky ReLU: slope 1 above 0 and `slope` from 0 to 1 below.

    Backward, from above the chord over the box, from below a line through 0: of slope 1
    where the box has more of the active side.
    """

    def __init__(self, slope: float = 0.0):
        self._slope = slope
        super().__init__(self._leak, accuracy=_FEW if slope else 0.0)

    def _leak(self, x):
        return ops.maximum(x, self._slope * x)

    def pull(self, rows, boxes, out):
        (box,) = boxes
        low, high = box.low, box.high
        bottom = self._leak(low)
        chord = (self._leak(high) - bottom) / ops.maximum(high - low, TINY)
        chord = ops.where(high > low, ops.minimum(chord, 1.0), 1.0)
        line = ops.where(high > -low, 1.0, self._slope)
        rising, falling = ops.maximum(rows, 0.0), ops.minimum(rows, 0.0)
        part = rising * line[:, None] + falling * chord[:, None]
        slack = _FEW * total(ops.abs(rows) * box.size()[:, None])
        return [part], *_summed(falling * (bottom - chord * low)[:, None], slack)


class Largest(Rule):
    """Max-pooling. Backward, from below the input whose lower bound is the largest."""

    bends = True

    def __init__(self, pool: Callable):
        self._pool = pool

    def forward(self, boxes):
        (box,) = boxes
        return Box(self._pool(box.low), self._pool(box.high))

    def pull(self, rows, boxes, out):
        rising, falling = ops.maximum(rows, 0.0), ops.minimum(rows, 0.0)
        part = transposed(self._pool, rising, boxes[0].low, at_low=True)
        slack = relative(256) * total(rising * out.size()[:, None])
        offset, more = concretize(falling, out)
        return [part], offset, slack + more


class Sum(Rule):
    """The sum of inputs of one shape."""

    def forward(self, boxes):
        low = sum(box.low for box in boxes)
        high = sum(box.high for box in boxes)
        gain = sum(box.size() for box in boxes)
        return Box(low, high, gain).widened(2 * relative(len(boxes) + 8) * gain + TINY)

    def pull(self, rows, boxes, out):
        slack = relative(len(boxes) + 8) * total(ops.abs(rows) * out.gain[:, None])
        return [rows] * len(boxes), ops.zeros(rows.shape[:2]), slack


class Join(Rule):
    """Inputs side by side along an axis of (B, ...), 1 at least."""

    def __init__(self, axis: int):
        self._axis = axis

    def forward(self, boxes):
        low = ops.concatenate([box.low for box in boxes], axis=self._axis)
        return Box(low, ops.concatenate([box.high for box in boxes], axis=self._axis))

    def pull(self, rows, boxes, out):
        ends, none = [], ops.zeros(rows.shape[:2])
        for box in boxes[:-1]:
            ends.append((ends or [0])[-1] + box.low.shape[self._axis])
        return list(ops.split(rows, ends, axis=self._axis + 1)), none, none


def concretize(rows, box: Box):
    """(value, slack), (B, R) each: rows (B, R, ...) at their worst in a box."""
    low, high = box.low[:, None], box.high[:, None]
    worst = ops.maximum(rows, 0.0) * low + ops.minimum(rows, 0.0) * high
    return _summed(worst, 0.0)


def _summed(terms, slack):
    """(sum of the terms (B, R, ...), `slack` and the error of adding them up)."""
    flat = flat_rows(terms)
    error = relative(flat.shape[-1] + 8)
    return ops.sum(flat, axis=-1), slack + error * total(ops.abs(terms))


def transposed(function: Callable, rows, low, *, at_low: bool = False):
    """Rows (B, R, ...) of the outputs of a linear function, as rows of its inputs.

    Args:
        function: linear, or `at_low` piecewise linear: its piece there is taken.
        low: (B, ...) lower bounds of the inputs.
    """
    count, shape = rows.shape[1], tuple(low.shape[1:])
    flat = ops.reshape(rows, (-1, *rows.shape[2:]))
    x = ops.repeat(low, count, axis=0) if at_low else ops.zeros((flat.shape[0], *shape))

    def weighted(z):
        values = ops.sum(ops.reshape(flat * function(z), (flat.shape[0], -1)), axis=-1)
        return values, values

    gradient, _, _ = backend.input_gradient(weighted, x)
    return ops.reshape(gradient, (-1, count, *shape))
