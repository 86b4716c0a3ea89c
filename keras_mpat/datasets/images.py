"""Reads image files as uint8 arrays: Pillow if it is installed, else TensorFlow."""

import functools
import os
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_mpat.datasets import checks

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png")
_GRAY = ("1", "L", "LA", "La")
_COLOR = ("RGB", "RGBA", "RGBa", "RGBX", "P", "PA", "CMYK", "YCbCr")


def files(folder: pathlib.Path) -> list[str]:
    """The image files directly in `folder`, sorted by name."""
    found = sorted(str(p) for p in folder.iterdir() if p.suffix.lower() in SUFFIXES)
    if not found:
        raise FileNotFoundError(
            f"`{folder}` must hold images of its class ({', '.join(SUFFIXES)}). "
            "Received: a folder with none. Add images, or remove the folder."
        )
    return found


def shape(paths: Sequence[str], image_size: tuple[int, int] | None) -> tuple[int, ...]:
    """The shape (H, W, C_in) that `read` gives these files; only headers are read.

    One channel if all images are gray, else three.

    Raises:
        ValueError: If sizes are mixed and `image_size` is None.
    """
    shapes = [_header(path) for path in paths]
    for path, own in zip(paths, shapes, strict=True):
        if image_size is None and own[:2] != shapes[0][:2]:
            raise checks.mixed_sizes(path, own, shapes[0])
    return (*(image_size or shapes[0][:2]), max(own[2] for own in shapes))


def read(
    paths: Sequence[str], channels: int, image_size: tuple[int, int] | None = None
) -> np.ndarray:
    """The images (N, H, W, channels), uint8, read-only, kept for the next call.

    Args:
        paths: Files, at least one.
        channels: 1 or 3; gray images become (r, g, b) with r = g = b.
        image_size: Height and width to resize to. Default: the files' own.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If a file is no image, or sizes are mixed.
    """
    for path in paths:
        if not os.path.isfile(path):
            raise FileNotFoundError(
                f"`{path}` must be an image file. Received: no file of that name. "
                "Complete the folder, for example by unpacking its archive again."
            )
    stamps = tuple(os.stat(path).st_mtime_ns for path in paths)
    return _read(tuple(paths), stamps, channels, image_size)


# Two parts of one set. A file that changes is read again: its stamp differs.
@functools.lru_cache(maxsize=2)
def _read(
    paths: tuple[str, ...],
    stamps: tuple[int, ...],
    channels: int,
    image_size: tuple[int, int] | None,
) -> np.ndarray:
    first = _decoded(paths[0], channels, image_size)
    result = np.empty((len(paths), *first.shape), dtype="uint8")
    for place, path in enumerate(paths):
        image = _decoded(path, channels, image_size)
        if image.shape != first.shape:
            raise checks.mixed_sizes(path, image.shape, first.shape)
        result[place] = image
    result.flags.writeable = False
    return result


def resized(image: np.ndarray, image_size: tuple[int, int]) -> np.ndarray:
    """uint8 (h, w, C_in) at another size: bilinear, averaged where it shrinks."""
    pillow = _pillow()
    if pillow is None:
        raise ImportError(
            "`image_size` needs Pillow to resize images, which could not be "
            "imported. Run: pip install pillow"
        )
    if image.shape[:2] == image_size:
        return image
    height, width = image_size
    planes = [
        pillow.fromarray(image[..., i]).resize((width, height), pillow.BILINEAR)
        for i in range(image.shape[-1])
    ]
    return np.stack([np.asarray(plane) for plane in planes], axis=-1)


def _decoded(path: str, channels: int, image_size: tuple | None) -> np.ndarray:
    try:
        image = _pixels(path, channels)
    except Exception as error:  # each decoder has exceptions of its own
        raise _no_image(path, error) from error
    return image if image_size is None else resized(image, image_size)


def _pixels(path: str, channels: int) -> np.ndarray:
    pillow = _pillow()
    if pillow is None:
        return _with_tensorflow(path, channels)
    with pillow.open(path) as image:
        _check_mode(image.mode)
        pixels = np.asarray(image.convert("L" if channels == 1 else "RGB"))
    return pixels[..., None] if channels == 1 else pixels


def _header(path: str) -> tuple[int, int, int]:
    """Height, width, and 1 channel for gray or 3 for color."""
    pillow = _pillow()
    try:
        if pillow is None:
            height, width, depth = _with_tensorflow(path, 0).shape
            return height, width, 1 if depth < 3 else 3
        with pillow.open(path) as image:
            _check_mode(image.mode)
            return image.height, image.width, 1 if image.mode in _GRAY else 3
    except Exception as error:  # each decoder has exceptions of its own
        raise _no_image(path, error) from error


def _check_mode(mode: str) -> None:
    if mode not in _GRAY + _COLOR:
        raise ValueError(f"its pixels are of mode {mode!r}, not of 8 bits")


def _with_tensorflow(path: str, channels: int) -> np.ndarray:
    import tensorflow as tf

    data = tf.io.read_file(path)
    if tf.io.is_jpeg(data):
        # As Pillow decodes: the default is faster and off by a gray level or two.
        return tf.io.decode_jpeg(data, channels, dct_method="INTEGER_ACCURATE").numpy()
    return tf.io.decode_image(data, channels, expand_animations=False).numpy()


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError:
        return None
    return Image


def _no_image(path: str, error: Exception) -> ValueError:
    return ValueError(
        f"`{path}` must be an image of 8 bits per channel. Received: a file that "
        f"cannot be decoded ({error}). Replace or remove it."
    )
