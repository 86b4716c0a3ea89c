"""A folder of images as a data set: `load("folder:/data/flowers", "train")`.

One sub-folder per class, in a `train` and a `test` tree or in a single one:

    flowers/train/rose/001.png   flowers/test/rose/104.png    two trees
    flowers/rose/001.png                                      one tree

A tree `val` or `validation` is the test set where there is no `test`.
"""

import dataclasses
import pathlib
from typing import Any

import numpy as np

from keras_mpat.datasets import images, splits
from keras_mpat.datasets.catalog import DatasetInfo

# The trees that may be the test set: the first that is there.
_TEST_TREES = ("test", "val", "validation")


def describe(
    path: str, *, data_dir: str | None = None, image_size: tuple[int, int] | None = None
) -> DatasetInfo:
    """The description of the folder `path`.

    Classes are the names of the sub-folders, sorted. Beside a `train` tree the test
    set is the tree `test`, else `val`, else `validation`, else there is none. In a
    single tree a fixed stratified fifth of the images is the test set, and "all"
    gives every image.

    Args:
        path: Folder, absolute, or relative to `data_dir` or the working directory.
        data_dir: Folder that `path` starts from.
        image_size: Height and width to resize to. Default: the images' own.

    Raises:
        FileNotFoundError: If there is no such folder, or a class without images.
        ValueError: If there are fewer than two classes, test classes that are not
            trained on, too few images to train on each class, or images of mixed
            sizes and no `image_size`.
    """
    root = pathlib.Path(data_dir or "", path).expanduser().resolve()
    if not root.is_dir():
        raise FileNotFoundError(
            "`name` must be 'folder:' and a folder with one sub-folder per class. "
            f"Received: name='folder:{path}', with no folder {str(root)!r}. Correct "
            "the path; a relative one starts from `data_dir`."
        )
    two_trees = (root / "train").is_dir()
    classes = _classes(root / "train" if two_trees else root, minimum=2)
    trees = {"train" if two_trees else "all": _files(root, classes, two_trees)}
    held_out = [root / name for name in _TEST_TREES if (root / name).is_dir()]
    if two_trees and held_out:
        trees["test"] = _test_files(held_out[0], classes)
    every = [path for paths, _ in trees.values() for path in paths]
    shape = images.shape(every, image_size)
    loader = _Loader(trees, shape[-1], image_size)
    sizes = splits.sizes({p: len(y) for p, (_, y) in loader.parts().items()})
    if sizes["train"] < len(classes):
        raise ValueError(
            f"`{root}` must hold enough images to train on each class, three of each "
            f"for example. Received: {sizes['train']} training images of "
            f"{len(classes)} classes, once validation and test images are set apart. "
            "Add images, or remove classes."
        )
    return DatasetInfo(
        name=f"folder:{path}",
        input_shape=shape,
        class_names=tuple(classes),
        loader=loader,
        parts=tuple(trees) if two_trees else ("train", "test", "all"),
        sizes=sizes,
        source=str(root),
    )


@dataclasses.dataclass(frozen=True)
class _Loader:
    """Images (N, H, W, C_in) in uint8 and labels (N,) of one part."""

    trees: dict[str, tuple[list[str], np.ndarray]]
    channels: int
    image_size: tuple[int, int] | None

    def __call__(self, part: str, **where: Any) -> tuple[np.ndarray, np.ndarray]:
        paths, labels = self.parts()[part]
        return images.read(paths, self.channels, self.image_size), labels

    def parts(self) -> dict[str, tuple[list[str], np.ndarray]]:
        """The files and labels of each part."""
        if "all" not in self.trees:
            return self.trees
        paths, labels = self.trees["all"]
        test = splits.fixed_test(labels)
        rows = {"train": splits.complement(test, len(labels)), "test": test}
        parts = {p: ([paths[i] for i in rows[p]], labels[rows[p]]) for p in rows}
        return {**parts, "all": (paths, labels)}


def _classes(tree: pathlib.Path, minimum: int) -> list[str]:
    found = sorted(
        p.name for p in tree.iterdir() if p.is_dir() and not p.name.startswith(".")
    )
    if len(found) < minimum:
        raise ValueError(
            f"`{tree}` must hold one sub-folder of images per class, {minimum} at "
            f"least. Received: the sub-folders {found}. Sort the images into them."
        )
    return found


def _files(root: pathlib.Path, classes: list[str], two_trees: bool):
    tree = root / "train" if two_trees else root
    return labeled([tree / name for name in classes], range(len(classes)))


def _test_files(tree: pathlib.Path, classes: list[str]):
    found = _classes(tree, minimum=1)
    if unknown := sorted(set(found) - set(classes)):
        raise ValueError(
            f"`{tree}` must hold classes of the training tree only ({classes}). "
            f"Received: {unknown}. Rename or remove them."
        )
    return labeled([tree / name for name in found], map(classes.index, found))


def labeled(folders, labels) -> tuple[list[str], np.ndarray]:
    """The image files of some folders, and the label of the folder for each.

    The first of each folder come first, then the second: so the first examples of a
    set, which `limit` takes, are of all classes.
    """
    places: list[tuple[int, int, str]] = []
    for folder, label in zip(folders, labels, strict=True):
        found = images.files(folder)
        places += [(rank, label, path) for rank, path in enumerate(found)]
    places.sort()
    ids = np.array([label for _, label, _ in places], dtype="int32")
    return [path for _, _, path in places], ids
