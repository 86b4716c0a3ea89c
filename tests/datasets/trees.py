"""Small trees of image files for the tests."""

import pathlib

import numpy as np
import pytest


def pixels(seed, size=(8, 8), channels=3):
    shape = size if channels == 1 else (*size, channels)
    return np.random.default_rng(seed).integers(0, 256, shape, "uint8")


def write(path: pathlib.Path, image, mode=None, **options):
    """Writes an image file; returns its path."""
    library = pytest.importorskip("PIL.Image")
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = library.fromarray(image)
    (picture if mode is None else picture.convert(mode)).save(path, **options)
    return path


def class_folders(root, counts, channels=3, size=(8, 8)):
    """One folder of PNG files per class; the pixels are those of (class, index)."""
    for label, (name, count) in enumerate(counts.items()):
        for i in range(count):
            image = pixels((label, i), size, channels)
            write(root / name / f"{i:03d}.png", image)
    return root
