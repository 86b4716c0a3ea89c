"""Random views of an image, as SimCLR takes them: crop, mirror, colors, gray.

    views = SimCLRViews()                      # by the number of channels
    first = views(images, noise.fold(keys, 1))

Pixels are a function of the image and its key alone, on each backend and whatever the
batch: with keys made of (seed, epoch, index), or of a counter that is saved, a resumed
run sees what an uninterrupted one would have seen. Crops are made by two small matrices
per image, which is exact and needs no gather.
"""

import dataclasses
import math
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_mpat import noise
from keras_mpat.configurable import Configurable, check_between, check_switch, numbers
from keras_mpat.pretraining import colors

_TRIES = 10  # as in torchvision, before the whole image is taken
_RATIOS = (3 / 4, 4 / 3)
_CUBIC = -0.5  # Keys' parameter, as in Pillow's bicubic filter


@keras.saving.register_keras_serializable("keras_mpat")
@dataclasses.dataclass(frozen=True, eq=False)
class SimCLRViews(Configurable):
    """SimCLR's augmentations. What is `None` follows the number of channels.

    Images with three channels: crops of 0.1 to 1 of the area, mirror images, color
    jitter and gray, as ACL does. Other images are taken for digits: crops of at least
    half of the area (a smaller part of a digit may be another), no mirror images, which
    are no digits, and no operations on colors.

    Args:
        crop_scale: (smallest, largest) share of the area of a crop, in (0, 1]. It has a
            ratio of 3/4 to 4/3 and is resized, bicubic, to the size of the image;
            (1, 1) leaves the image as it is.
        flip: whether to mirror left and right with probability 1/2.
        jitter: strengths of brightness, contrast, saturation and hue, a random order
            for each image; zeros switch it off. ACL: (0.4, 0.4, 0.4, 0.1).
        jitter_share: share of the images that get the jitter. Default 0.8.
        gray_share: share of the images that become gray. ACL: 0.2.

    Call arguments:
        images: (B, H, W, C_in), inside `bounds`.
        keys: (B, 2), from `noise.keys`.
        bounds: lowest and highest pixel, two numbers. Default (0, 1).

    Returns:
        (B, H, W, C_in) float32, inside `bounds`.

    Raises:
        ValueError: a share outside its range, or colors asked for on images without.

    References:
        Chen et al., arXiv:2002.05709, appendix A; values of Jiang et al. (ACL),
        arXiv:2010.13337.
    """

    crop_scale: Any = None
    flip: bool | None = None
    jitter: Any = None
    jitter_share: float = 0.8
    gray_share: float | None = None

    def __post_init__(self):
        if self.crop_scale is not None:
            _check_scale(self.crop_scale)
        if self.flip is not None:
            check_switch("flip", self.flip)
        if self.jitter is not None:
            _check_jitter(self.jitter)
        check_between("jitter_share", self.jitter_share, 0, 1, "SimCLR uses 0.8.")
        if self.gray_share is not None:
            check_between("gray_share", self.gray_share, 0, 1, "SimCLR uses 0.2.")

    def for_channels(self, channels: int) -> "SimCLRViews":
        """The same views with every `None` replaced.

        Raises:
            ValueError: colors are asked for on images that do not have three channels.
        """
        colored = channels == 3
        asked = {"jitter": self.jitter, "gray_share": self.gray_share}
        for name, value in asked.items():
            if not colored and value is not None and np.any(numbers(value) > 0):
                raise ValueError(
                    f"`{name}` must be 0 on images without three channels, which have "
                    f"no colors. Received: {name}={value}, images with channels="
                    f"{channels}. Leave {name} out."
                )

        def chosen(value, of_colors, of_others):
            return (of_colors if colored else of_others) if value is None else value

        return dataclasses.replace(
            self,
            crop_scale=chosen(self.crop_scale, (0.1, 1.0), (0.5, 1.0)),
            flip=chosen(self.flip, True, False),
            jitter=chosen(self.jitter, (0.4, 0.4, 0.4, 0.1), (0.0,) * 4),
            gray_share=chosen(self.gray_share, 0.2, 0.0),
        )

    def __call__(self, images, keys, bounds=(0.0, 1.0)):
        views = self.for_channels(images.shape[-1])
        low, high = bounds
        x = (ops.cast(images, "float32") - low) / (high - low)
        x = views.cropped(x, keys)
        if np.any(numbers(views.jitter) > 0):
            jittered = colors.jitter(x, noise.fold(keys, 2), views.jitter)
            x = ops.where(_chosen(keys, 3, views.jitter_share), jittered, x)
        if views.gray_share > 0:
            x = ops.where(_chosen(keys, 4, views.gray_share), colors.gray(x), x)
        return low + (high - low) * x

    def cropped(self, x, keys):
        """Crops (B, H, W, C_in) of images in [0, 1], resized and perhaps mirrored."""
        height, width = x.shape[1:3]
        top, left, rows, columns = boxes(keys, height, width, self.crop_scale)
        down = _weights(top, rows, height)
        across = _weights(left, columns, width)
        if self.flip:
            mirrored = _chosen(keys, 5, 0.5)[..., 0]
            across = ops.where(mirrored, ops.flip(across, axis=1), across)
        x = ops.einsum("bih,bhwc->biwc", down, x)
        x = ops.einsum("bjw,biwc->bijc", across, x)
        return ops.clip(x, 0.0, 1.0)  # a bicubic filter overshoots


def boxes(keys, height: int, width: int, scale):
    """Random crops: (top, left, rows, columns), int32 (B,) each, inside the image.

    Their area is uniform in `scale`, the logarithm of their ratio uniform; the first of
    ten draws that fits is taken, else the whole image.
    """
    draws = noise.uniform(noise.fold(keys, 1), (4, _TRIES))
    area = height * width * (scale[0] + (scale[1] - scale[0]) * draws[:, 0])
    low, high = map(math.log, _RATIOS)
    ratio = ops.exp(low + (high - low) * draws[:, 1])
    columns = ops.cast(ops.round(ops.sqrt(area * ratio)), "int32")
    rows = ops.cast(ops.round(ops.sqrt(area / ratio)), "int32")
    fits = ops.logical_and(rows <= height, columns <= width)
    fits = ops.logical_and(fits, ops.minimum(rows, columns) > 0)
    first = ops.cast(ops.argmax(ops.cast(fits, "int32"), axis=-1), "int32")[:, None]
    found = ops.logical_and(ops.any(fits, axis=-1), scale[0] < 1)

    def of_first(values):
        return ops.take_along_axis(values, first, axis=1)[:, 0]

    rows = ops.where(found, of_first(rows), height)
    columns = ops.where(found, of_first(columns), width)
    places = [of_first(draws[:, 2]), of_first(draws[:, 3])]
    top, left = (
        ops.cast(ops.floor(place * ops.cast(size - taken + 1, "float32")), "int32")
        for place, size, taken in zip(
            places, (height, width), (rows, columns), strict=True
        )
    )
    return top, left, rows, columns


def _weights(start, size, count: int):
    """Bicubic resizing of `size` pixels from `start` to `count`: (B, count, count)."""
    start, size = (ops.cast(n, "float32")[:, None, None] for n in (start, size))
    pixels = np.arange(count, dtype="float32")
    center = start + (pixels[None, :, None] + 0.5) * size / count - 0.5
    inside = ops.logical_and(pixels >= start, pixels < start + size)
    distance = ops.abs(center - pixels)
    near = ((_CUBIC + 2) * distance - (_CUBIC + 3)) * distance**2 + 1
    far = _CUBIC * (((distance - 5) * distance + 8) * distance - 4)
    weights = ops.where(distance < 1, near, ops.where(distance < 2, far, 0.0))
    weights = ops.where(inside, weights, 0.0)
    return weights / ops.sum(weights, axis=-1, keepdims=True)


def _chosen(keys, number: int, share: float):
    """A random `share` of the images, bool (B, 1, 1, 1)."""
    return noise.uniform(noise.fold(keys, number), (1, 1, 1)) < share


def _check_scale(scale) -> None:
    pair = numbers(scale)
    if pair.shape != (2,) or not 0 < pair[0] <= pair[1] <= 1:
        raise ValueError(
            "`crop_scale` must be (smallest, largest) in (0, 1] (shares of the area). "
            f"Received: crop_scale={scale!r}. ACL uses (0.1, 1.0)."
        )


def _check_jitter(jitter) -> None:
    strengths = numbers(jitter)
    limits = (1, 1, 1, 0.5)
    if strengths.shape != (4,) or not np.all((strengths >= 0) & (strengths <= limits)):
        raise ValueError(
            "`jitter` must be four strengths: of brightness, contrast and saturation "
            f"in [0, 1], of hue in [0, 0.5]. Received: jitter={jitter!r}. ACL uses "
            "(0.4, 0.4, 0.4, 0.1)."
        )
