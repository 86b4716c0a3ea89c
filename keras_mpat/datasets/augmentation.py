"""Stateless augmentation: the same pixels for the same image and the same noise.

An augmentation is a NumPy function, the same on every backend, and draws no random
number itself. It is given, for each image, `draws`
uniform numbers that the pipeline makes from (seed, epoch, example index): so a
resumed run sees the pixels that an uninterrupted one would have seen, whatever the
batch size.
"""

import abc
import dataclasses
from typing import Any, ClassVar

import numpy as np

from keras_mpat.datasets import checks


@dataclasses.dataclass(frozen=True)
class Augmentation(abc.ABC):
    """Base class: subclass it, set `draws` and write `__call__`.

    Call arguments:
        images: Float32 array (B, H, W, C_in).
        noise: Float32 array (B, draws), uniform in [0, 1).

    Returns:
        Float32 array (B, H, W, C_in), or what NumPy makes one of; image i may depend
        on row i alone.

    Example:

        @dataclasses.dataclass(frozen=True)
        class Brightness(datasets.Augmentation):
            strength: float = 0.1
            draws = 1

            def __call__(self, images, noise):
                shift = self.strength * (2.0 * noise[:, 0] - 1.0)
                return np.clip(images + shift[:, None, None, None], 0.0, 1.0)
    """

    draws: ClassVar[int] = 0

    @abc.abstractmethod
    def __call__(self, images: np.ndarray, noise: np.ndarray) -> Any:
        """The altered images."""

    def unsuited(self, images: np.ndarray) -> ValueError:
        """What to raise where `images` are tables of features."""
        return ValueError(
            f"`augment` must suit the data: {type(self).__name__} takes images (B, H, "
            f"W, C_in). Received: x of shape {('N', *images.shape[1:])}. Pass no "
            "augmentation for tables of features, or an Augmentation of your own."
        )


@dataclasses.dataclass(frozen=True)
class PadCropFlip(Augmentation):
    """Pads with zeros, crops back at a random place, mirrors half of the images.

    The usual augmentation for CIFAR. Do not flip where a mirror image is another
    class or none, as with digits.

    Args:
        padding: Pixels added on each side, >= 0. Default 4: a shift of -4 ... 4.
        flip: Whether to mirror left and right with probability 1/2. Default True.

    Raises:
        ValueError: If `padding` is no integer >= 0, or what is altered no images.
    """

    padding: int = 4
    flip: bool = True
    draws: ClassVar[int] = 3

    def __post_init__(self) -> None:
        checks.integer("padding", self.padding, minimum=0)

    def __call__(self, images: np.ndarray, noise: np.ndarray) -> np.ndarray:
        """The altered images, float32 (B, H, W, C_in)."""
        if images.ndim != 4:
            raise self.unsuited(images)
        count, height, width = images.shape[:3]
        offsets = (noise[:, :2] * np.float32(2 * self.padding + 1)).astype("int32")
        mirrored = noise[:, 2] < 0.5 if self.flip else np.zeros(count, dtype=bool)
        side = (self.padding, self.padding)
        padded = np.pad(images, [(0, 0), side, side, (0, 0)])
        cropped = np.empty_like(images)
        for image, out, (row, column), mirror in zip(
            padded, cropped, offsets, mirrored, strict=True
        ):
            crop = image[row : row + height, column : column + width]
            out[:] = crop[:, ::-1] if mirror else crop
        return cropped
