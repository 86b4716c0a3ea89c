"""Windows of the Square attack: how large, where, and the moves in the Linf ball.

The pixels of an image are the positions (H, W); a window holds the same positions of
all channels. Its side lengths differ between queries and its place between examples, so
it is a mask over (H, W): shapes stay static and one loop serves all queries.

References:
    Andriushchenko et al., arXiv:1912.00049, algorithm 2 and sections 3.1, 3.3.
"""

import math

import numpy as np
from keras import ops

from keras_mpat import noise

# After so many of 10 000 queries the share of the window is halved.
_HALVINGS = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)
_LONGEST = 10_000


def shares(queries: int, initial_share: float, rescale: bool) -> np.ndarray:
    """Share of the pixels in the window of each query, float64 (queries,)."""
    position = np.arange(queries)
    if rescale:
        position = position * _LONGEST // queries
    return initial_share * 0.5 ** np.searchsorted(_HALVINGS, position)


def sides(sizes: np.ndarray, height: int, width: int) -> np.ndarray:
    """Rows and columns of the window of each query, int (queries, 2), from its share.

    A square; one that is longer than the short side of the image becomes a rectangle
    along the long side, which holds the same share of the pixels.
    """
    side = np.maximum(np.round(np.sqrt(sizes * height * width)), 1)
    short = np.minimum(side, min(height, width))
    long = np.clip(np.round(sizes * height * width / short), 1, max(height, width))
    long = np.where(side > short, long, short)
    pair = (short, long) if height <= width else (long, short)
    return np.stack(pair, axis=-1).astype("int32")


def canvas(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """(H, W, C_in) as which one example of this shape is seen."""
    if len(shape) <= 1:
        return 1, math.prod(shape), 1
    if len(shape) == 2:
        return shape[0], shape[1], 1
    return math.prod(shape[:-2]), shape[-2], shape[-1]


def origins(draws, lengths, size):
    """First row and column of windows, float32 (B, 2), each place as likely.

    Args:
        draws: (B, 2) uniform in [0, 1).
        lengths: (2,) float32, rows and columns of the windows.
        size: (H, W).
    """
    room = np.array(size, "float32") - lengths  # the last possible origin
    return ops.minimum(ops.floor(draws * (room + 1.0)), room)


def inside(first, lengths, size):
    """Which pixels lie in windows that begin at `first` (B, 2), bool (B, H, W, 1)."""
    sides_of_window = []
    for axis in (0, 1):
        place = ops.arange(size[axis], dtype="float32") - first[:, axis, None]
        within = ops.logical_and(place >= 0.0, place < lengths[axis])
        sides_of_window.append(within)
    rows, columns = sides_of_window
    return ops.logical_and(rows[:, :, None, None], columns[:, None, :, None])


class Stripes:
    """Moves in the Linf ball: pixels jump to its surface, x - epsilon or x + epsilon.

    Args:
        threat_model: an `Linf`.
        x: clean inputs (B, ...).
        sizes: share of the pixels in the window of each query, (queries,).
    """

    def __init__(self, threat_model, x, sizes: np.ndarray):
        self._canvas = height, width, _ = canvas(tuple(x.shape[1:]))
        self._shape = (-1, *x.shape[1:])
        self._sides = ops.convert_to_tensor(sides(sizes, height, width), "float32")
        ends = (-threat_model.radius, threat_model.radius)
        self._low, self._high = (
            ops.reshape(threat_model.project(x + end, x), (-1, *self._canvas))
            for end in ends
        )

    def start(self, keys):
        """Vertical stripes: one sign per column and channel, x_adv (B, ...)."""
        _, width, channels = self._canvas
        up = noise.uniform(keys, (1, width, channels)) < 0.5
        return ops.reshape(ops.where(up, self._high, self._low), self._shape)

    def propose(self, x_adv, keys, query):
        """x_adv (B, ...) with one window on the surface, one sign per channel.

        A window that is there already gets the opposite signs: at a side of one pixel,
        half of the queries would else ask again what the model has said.
        """
        height, width, channels = self._canvas
        draws = noise.uniform(keys, (2 + channels,))
        lengths = ops.take(self._sides, query, axis=0)
        first = origins(draws[:, :2], lengths, (height, width))
        window = inside(first, lengths, (height, width))
        up = draws[:, None, None, 2:] < 0.5
        before = ops.reshape(x_adv, (-1, *self._canvas))
        there = ops.logical_or(self._ends(up) == before, ops.logical_not(window))
        idle = ops.all(there, axis=(1, 2, 3), keepdims=True)
        ends = self._ends(ops.logical_xor(up, idle))
        return ops.reshape(ops.where(window, ends, before), self._shape)

    def _ends(self, up):
        return ops.where(up, self._high, self._low)
