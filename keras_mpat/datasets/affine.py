"""Rotated, stretched, sheared and moved images: more handwriting than was collected.

train = datasets.load("mnist", "train", augment=datasets.RandomAffine(contrast=1.5))
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from keras_mpat.datasets import checks
from keras_mpat.datasets.augmentation import Augmentation


@dataclass(frozen=True)
class RandomAffine(Augmentation):
    """Draws an affine map for each image; zeros come in from outside.

    Each number is drawn evenly between minus and plus what is given. Output pixel q,
    from the center, shows the image at S R q + t, linear between its pixels: R turns
    by the rotation, S stretches rows and columns and adds the shear times the row to
    the column, t is a whole number of pixels.

    Reading between pixels makes edges gray. Where a gray pixel costs robustness, as
    in digits at epsilon 0.3, a contrast of 1.5 leaves as many as before: measured on
    MNIST, 3.7 % of the pixels lie between 0.31 and 0.69, without it 5.6 %.

    Args:
        rotation: Degrees, >= 0. Default 10.
        stretch: Logarithm of the factors of rows and of columns, >= 0.
            Default 0.1: 0.90 to 1.11.
        shear: Columns per row, >= 0. Default 0.1.
        shift: Pixels, >= 0, of rows and of columns. Default 2.
        contrast: Factor > 0 of the distance of pixels from 0.5, cut off at 0 and 1.
            Default 1: none.

    Raises:
        ValueError: A number out of its range, or what is altered no images.
    """

    rotation: float = 10.0
    stretch: float = 0.1
    shear: float = 0.1
    shift: int = 2
    contrast: float = 1.0
    draws: ClassVar[int] = 6

    def __post_init__(self) -> None:
        checks.integer("shift", self.shift, minimum=0)
        checks.size("rotation", self.rotation, "degrees", neutral=0)
        checks.size("stretch", self.stretch, "the logarithm of a factor", neutral=0)
        checks.size("shear", self.shear, "columns per row", neutral=0)
        checks.size("contrast", self.contrast, "a factor", neutral=1)

    def __call__(self, images: np.ndarray, noise: np.ndarray) -> np.ndarray:
        """The altered images, float32 (B, H, W, C_in)."""
        if images.ndim != 4:
            raise self.unsuited(images)
        moved = _between(images, *self._sources(images.shape[1:3], noise))
        if self.contrast == 1:
            return moved
        return np.clip((moved - 0.5) * np.float32(self.contrast) + 0.5, 0, 1)

    def _sources(self, size, noise) -> tuple[np.ndarray, np.ndarray]:
        """Row and column (B, H, W) that each output pixel is read at."""
        steps = (noise[:, :2] * np.float32(2 * self.shift + 1)).astype("int32")
        drawn = (2 * noise[:, 2:] - 1).T[..., None, None]
        angle = math.radians(self.rotation) * drawn[0]
        centers = [(side - 1) / 2 for side in size]
        rows, columns = (
            np.arange(side, dtype="float32") - np.float32(center)
            for side, center in zip(size, centers, strict=True)
        )
        sine, cosine, rows = np.sin(angle), np.cos(angle), rows[:, None]
        row = np.exp(self.stretch * drawn[1]) * (cosine * rows - sine * columns)
        column = np.exp(self.stretch * drawn[2]) * (sine * rows + cosine * columns)
        column = column + self.shear * drawn[3] * row
        offsets = (steps - self.shift).T[..., None, None]
        return row + centers[0] + offsets[0], column + centers[1] + offsets[1]


def _between(images, row, column) -> np.ndarray:
    """Images at places between pixels: linear in both directions, zero outside."""
    padded = np.pad(images, [(0, 0), (1, 1), (1, 1), (0, 0)])
    height, width = images.shape[1:3]
    # Two pixels out all is zero; from there on it stays.
    row, column = np.clip(row, -1, height), np.clip(column, -1, width)
    top = np.minimum(np.floor(row), height - 1).astype("int32")
    left = np.minimum(np.floor(column), width - 1).astype("int32")
    down, right = (row - top)[..., None], (column - left)[..., None]
    image = np.arange(len(images))[:, None, None]

    def read(below: int, beside: int) -> np.ndarray:
        return padded[image, top + 1 + below, left + 1 + beside]

    above = (1 - right) * read(0, 0) + right * read(0, 1)
    under = (1 - right) * read(1, 0) + right * read(1, 1)
    return ((1 - down) * above + down * under).astype("float32")
