"""Tiny ImageNet from its standard folder tree.

    tiny-imagenet-200/wnids.txt                             one class id per line
                      words.txt                             names of class ids
                      train/n01443537/images/*.JPEG
                      val/images/*.JPEG  val/val_annotations.txt

The hidden test set has no labels, so the official validation images are the test set,
as in the literature. A part of the tree works: the classes are those of `wnids.txt`.
"""

import functools
import os
import pathlib
from typing import Any

import numpy as np

from keras_mpat.datasets import images, splits
from keras_mpat.datasets.augmentation import PadCropFlip
from keras_mpat.datasets.catalog import DatasetInfo
from keras_mpat.datasets.folder import labeled

VARIABLE = "TINY_IMAGENET_DIR"
FOLDER = "tiny-imagenet-200"
SOURCE = "http://cs231n.stanford.edu/tiny-imagenet-200.zip"


def describe(
    *, data_dir: str | None = None, image_size: tuple[int, int] | None = None
) -> DatasetInfo:
    """The description of the tree in `data_dir`, or where TINY_IMAGENET_DIR says.

    Class ids are the ranks of the sorted lines of `wnids.txt`: the same in each
    process and for each order of the lines.

    Args:
        data_dir: The folder that holds `wnids.txt`, or the one above it.
        image_size: Height and width to resize to. Default: the files' own, (64, 64).

    Raises:
        FileNotFoundError: If a part of the tree is missing.
    """
    root = _locate(data_dir)
    wnids = sorted(set(_lines(root / "wnids.txt")))
    trees = {"train": _train(root, wnids), "test": _test(root, wnids)}
    first = trees["train"][0][:1]
    return DatasetInfo(
        name="tiny_imagenet",
        input_shape=(*images.shape(first, image_size)[:2], 3),
        class_names=_names(root, wnids),
        loader=functools.partial(_load, trees, image_size),
        epsilon="8/255",
        mean=(0.4802, 0.4481, 0.3975),
        std=(0.2770, 0.2691, 0.2821),
        augmentation=PadCropFlip(padding=4),
        sizes=splits.sizes({part: len(y) for part, (_, y) in trees.items()}),
        source=str(root),
    )


def _load(trees, image_size, part: str, **where: Any):
    paths, labels = trees[part]
    return images.read(paths, 3, image_size), labels


def _locate(data_dir: str | None) -> pathlib.Path:
    given = data_dir or os.environ.get(VARIABLE)
    if given:
        above = pathlib.Path(given).expanduser().resolve()
        for root in (above, above / FOLDER):
            if (root / "wnids.txt").is_file():
                return root
    raise FileNotFoundError(
        f"`data_dir` must be the folder of Tiny ImageNet, with `wnids.txt` in it or "
        f"in its sub-folder {FOLDER}. Received: data_dir={data_dir!r}, "
        f"{VARIABLE}={os.environ.get(VARIABLE)!r}. Unpack {SOURCE} and pass its "
        f"folder, or set the environment variable {VARIABLE}."
    )


def _train(root: pathlib.Path, wnids: list[str]) -> tuple[list[str], np.ndarray]:
    folders = [root / "train" / wnid / "images" for wnid in wnids]
    for folder in folders:
        if not folder.is_dir():
            raise _missing(folder)
    return labeled(folders, range(len(wnids)))


def _test(root: pathlib.Path, wnids: list[str]) -> tuple[list[str], np.ndarray]:
    """The annotated validation images of the classes in use, in the file's order."""
    ids = {wnid: rank for rank, wnid in enumerate(wnids)}
    rows = [line.split("\t") for line in _lines(root / "val" / "val_annotations.txt")]
    rows = [row for row in rows if row[1] in ids]
    if not rows:
        raise ValueError(
            f"`{root / 'val' / 'val_annotations.txt'}` must name images of the "
            "classes in wnids.txt. Received: none of them. Restore both files from "
            f"{SOURCE}."
        )
    paths = [str(root / "val" / "images" / row[0]) for row in rows]
    return paths, np.array([ids[row[1]] for row in rows], dtype="int32")


def _names(root: pathlib.Path, wnids: list[str]) -> tuple[str, ...]:
    """First word of `words.txt` for each class; its id where there is none."""
    words: dict[str, str] = {}
    if (root / "words.txt").is_file():
        pairs = (line.partition("\t") for line in _lines(root / "words.txt"))
        words = {wnid: text.partition(",")[0].strip() for wnid, _, text in pairs}
    names = [words.get(wnid) or wnid for wnid in wnids]
    return tuple(
        name if names.count(name) == 1 else f"{name} ({wnid})"
        for name, wnid in zip(names, wnids, strict=True)
    )


def _lines(path: pathlib.Path) -> list[str]:
    if not path.is_file():
        raise _missing(path)
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip()]


def _missing(path: pathlib.Path) -> FileNotFoundError:
    return FileNotFoundError(
        f"`data_dir` must hold the standard tree of Tiny ImageNet. Received: a tree "
        f"without {str(path)!r}. Restore it from {SOURCE}."
    )
