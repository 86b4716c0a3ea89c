"""Moves of the Square attack in the L2 ball: mass flows from one window to another.

The pattern of a window is large in the middle of its two halves, falls toward their
edges and has opposite signs in them. With f(d) = sum_{j = d + 1}^{n + 1} 1 / j^2, a
pixel at distance max(d_row, d_column) from the middle of its half has the size
min(f(d_row), f(d_column)): two profiles, one per axis, tell the whole pattern.

References:
    Andriushchenko et al., arXiv:1912.00049, algorithm 3, equation 2 and section 3.3.
"""

import numpy as np
from keras import ops

from keras_mpat import noise
from keras_mpat.attacks._windows import canvas, inside, origins, sides

_TILES = 5  # of the start, along each axis
_SMALLEST = 3  # a window needs room for two signs; an odd one has a middle
_TINY = 1e-12


class Pyramids:
    """Each query empties one window and fills another: the whole budget is spent.

    Changes are measured in units of epsilon, so the ball has radius 1.

    Args:
        threat_model: an `L2`.
        x: clean inputs (B, ...).
        sizes: share of the pixels in a window of each query, (queries,).
    """

    def __init__(self, threat_model, x, sizes: np.ndarray):
        self._threat_model, self._x = threat_model, x
        self._canvas = height, width, _ = canvas(tuple(x.shape[1:]))
        every = odd_sides(sizes, height, width)
        distinct, stage = np.unique(every, axis=0, return_inverse=True)
        self._sides = ops.convert_to_tensor(distinct, "float32")
        self._stage = ops.convert_to_tensor(stage.reshape(-1), "int32")
        pairs = [
            [profiles(pair[0], pair[1], split) for split in (0, 1)] for pair in distinct
        ]
        self._profiles = []
        for axis, size in enumerate((height, width)):
            rows = [[_padded(part[axis], size) for part in pair] for pair in pairs]
            self._profiles.append(ops.convert_to_tensor(np.array(rows, "float32")))

    def start(self, keys):
        """Tiles of the pattern, one sign per tile and channel, x_adv (B, ...)."""
        height, width, channels = self._canvas
        patterns, tile = tiles(height, width)
        draws = noise.uniform(keys, (int(tile.max()) + 1, 1 + channels))
        draws = ops.take(draws, tile.reshape(-1), axis=1)
        draws = ops.reshape(draws, (-1, height, width, 1 + channels))
        split = draws[..., :1] < self._chance()
        pattern = ops.where(split, patterns[1][..., None], patterns[0][..., None])
        change = self._restrict(_signs(draws[..., 1:]) * pattern)
        length = ops.sqrt(ops.sum(_energy(change), axis=-1))[:, None, None, None]
        return self._place(change / ops.maximum(length, _TINY))

    def propose(self, x_adv, keys, query):
        """x_adv (B, ...) after one exchange between two windows (algorithm 3)."""
        height, width, channels = self._canvas
        draws = noise.uniform(keys, (5 + channels,))
        stage = ops.take(self._stage, query, axis=0)
        lengths = ops.take(self._sides, stage, axis=0)
        first = origins(draws[:, 0:2], lengths, (height, width))
        second = origins(draws[:, 2:4], lengths, (height, width))
        split = ops.cast(draws[:, 4] < self._chance(), "int32")
        filled = inside(first, lengths, (height, width))
        emptied = inside(second, lengths, (height, width))

        change = self._spread((x_adv - self._x) / self._scale())
        kept = ops.where(ops.logical_or(filled, emptied), 0.0, change)
        direction = self._pattern(first, split, stage, _signs(draws[:, 5:]))
        direction = _unit(direction) + _unit(ops.where(filled, change, 0.0))
        spent = _energy(change)
        unused = (1.0 - ops.sum(spent, axis=-1, keepdims=True)) / channels
        available = spent - _energy(kept)
        length = ops.sqrt(ops.maximum(available + unused, 0.0))
        return self._place(kept + _unit(direction, length))

    def _pattern(self, first, split, stage, signs):
        """The pattern (B, H, W, C_in) of windows that begin at `first` (B, 2)."""
        rows, columns = (
            self._profile(axis, first[:, axis], split, stage) for axis in (0, 1)
        )
        rows, columns = rows[:, :, None, None], columns[:, None, :, None]
        size = ops.minimum(ops.abs(rows), ops.abs(columns))
        signs = ops.sign(columns) * signs[:, None, None, :]
        return self._restrict(size * ops.sign(rows) * signs)

    def _profile(self, axis: int, first, split, stage):
        """The profile (B, size) along an axis: 0 outside the window."""
        size = self._canvas[axis]
        table = ops.reshape(ops.take(self._profiles[axis], stage, axis=0), (-1,))
        place = ops.arange(size, dtype="int32") - ops.cast(first, "int32")[:, None]
        place = ops.where(place < 0, size, place)  # the last entry is 0
        return ops.take(table, place + split[:, None] * (size + 1), axis=0)

    def _chance(self) -> float:
        """How often a window is split into upper and lower half, not left and right."""
        height, width, _ = self._canvas
        return 0.5 if min(height, width) > 1 else float(width == 1)

    def _place(self, change):
        """The input (B, ...) with this change, in the ball and the box."""
        change = ops.reshape(change, (-1, *self._x.shape[1:]))
        moved = self._x + self._threat_model.radius * change
        return self._threat_model.project(moved, self._x)

    def _spread(self, values):
        """Values (B, ...) on the canvas (B, H, W, C_in)."""
        return ops.reshape(values, (-1, *self._canvas))

    def _scale(self):
        return ops.maximum(self._threat_model.radius, 1e-30)  # 0: a fixed feature

    def _restrict(self, change):
        """The change (B, H, W, C_in), 0 where a feature is fixed."""
        mutable = self._threat_model.mutable
        if mutable is None and not np.ndim(self._threat_model.radius):
            return change
        free = self._scale() > 1e-30
        if mutable is not None:
            free = ops.logical_and(free, np.asarray(mutable, "bool"))
        free = ops.broadcast_to(free, (1, *self._x.shape[1:]))
        return ops.where(self._spread(free), change, 0.0)


def odd_sides(sizes: np.ndarray, height: int, width: int) -> np.ndarray:
    """Rows and columns of the windows, int (queries, 2): odd, and 3 if that fits."""
    largest = np.array([height, width]) - 1
    largest += largest % 2 == 0  # the image's own length if it is odd
    odd = np.maximum(sides(sizes, height, width), _SMALLEST)
    return np.minimum(odd + (odd % 2 == 0), largest).astype("int32")


def profiles(rows: int, columns: int, split: int) -> tuple[np.ndarray, np.ndarray]:
    """Profiles (rows,) and (columns,) of a window whose halves have opposite signs.

    Args:
        rows, columns: of the window.
        split: 0 for a left and a right half, 1 for an upper and a lower one.
    """
    if split:
        across, along = profiles(columns, rows, 0)
        return along, across
    first = columns // 2
    radius = max(rows, columns - first) // 2  # n of equation 2
    terms = 1.0 / np.arange(1, radius + 2) ** 2.0
    sizes = np.cumsum(terms[::-1])[::-1]  # f(0), ..., f(n)

    def half(length):
        return sizes[np.abs(np.arange(length) - length // 2)]

    return half(rows), np.concatenate([half(first), -half(columns - first)])


def tiles(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Patterns of the start (2, H, W), one per split, and the tile of each pixel."""
    patterns = np.zeros((2, height, width), "float32")
    tile = np.zeros((height, width), "int32")
    size = np.array([height, width])
    counts = np.minimum(size, _TILES)
    lengths = size // counts
    margin = (size - counts * lengths) // 2
    for number, position in enumerate(np.ndindex(*counts)):
        first = margin + position * lengths
        place = tuple(map(slice, first, first + lengths))
        tile[place] = number
        for split in (0, 1):
            across, along = profiles(lengths[0], lengths[1], split)
            heights = np.minimum.outer(np.abs(across), np.abs(along))
            signs = np.outer(np.sign(across), np.sign(along))
            patterns[(split, *place)] = heights * signs
    return patterns, tile


def _padded(profile: np.ndarray, size: int) -> np.ndarray:
    return np.pad(profile, (0, size + 1 - len(profile)))


def _signs(draws):
    return ops.where(draws < 0.5, 1.0, -1.0)


def _energy(x):
    """Sum of squares of each channel, (B, C_in)."""
    return ops.sum(ops.square(x), axis=(1, 2))


def _unit(x, length=1.0):
    """x (B, H, W, C_in) with this length (B, C_in) in each channel; 0 stays 0."""
    scale = length / ops.maximum(ops.sqrt(_energy(x)), _TINY)
    return x * scale[:, None, None, :]
