"""Describes any image classification set of tensorflow-datasets by its name."""

import difflib
import re
from typing import Any

import numpy as np

from keras_mpat.datasets import splits, tfds
from keras_mpat.datasets.catalog import DatasetInfo


def knows(name: str, data_dir: str | None) -> bool:
    """Whether tensorflow-datasets has a set of that name; False without the library."""
    try:
        _builder(name, data_dir)
    except (ImportError, LookupError):
        return False
    return True


def names() -> list[str]:
    """The names that tensorflow-datasets knows; none without the library."""
    try:
        library = tfds.import_library()
    except ImportError:
        return []
    return library.list_builders(with_community_datasets=False)


def similar(name: str) -> list[str]:
    """The names that differ from `name` by a letter or two, the nearest first.

    There are over a thousand: with a looser rule something is like any word.
    """
    word = re.split("[:/]", name.lower(), maxsplit=1)[0]
    return difflib.get_close_matches(word, names(), n=3, cutoff=0.8)


def describe(
    name: str, *, data_dir: str | None = None, image_size: tuple[int, int] | None = None
) -> DatasetInfo:
    """The description of the set `name`, which need not be prepared.

    Args:
        name: Name of the builder, with a configuration or version if need be, such as
            `"kmnist"`, `"cifar10_corrupted/fog_3"` or `"mnist:3.0.1"`.
        data_dir: Folder of the prepared data. Default: TFDS_DATA_DIR.
        image_size: Height and width to resize the images to. Default: as they are.

    Raises:
        ValueError: If there is no such set, if its examples are not one image and one
            class label, or if their sizes are mixed and `image_size` is None.
        ImportError: If tensorflow-datasets is not installed.
    """
    try:
        builder = _builder(name, data_dir)
    except LookupError as error:
        near = similar(name)[:1]
        guess = "".join(f" Did you mean 'tfds:{each}'?" for each in near)
        raise ValueError(
            "`name` must be a set of tensorflow-datasets. Received: name="
            f"'tfds:{name}' ({error}).{guess} See tensorflow_datasets.list_builders()."
        ) from error
    image, label = _features(builder, name)
    if image_size is None and None in image.shape:
        raise ValueError(
            f"`image_size` must be given for {name!r}, whose images are of mixed "
            "sizes (height, width in pixels). Received: image_size=None. Pass for "
            "example image_size=(64, 64)."
        )
    counts = {split: part.num_examples for split, part in builder.info.splits.items()}
    # Where nothing but a validation set is published, it is what results refer to.
    test = "test" if "test" in counts or "validation" not in counts else "validation"
    parts = ("train", "test") if test in counts or not counts else ("train",)
    shape = image.shape if image_size is None else (*image_size, image.shape[-1])
    return DatasetInfo(
        name=name,
        input_shape=tuple(shape),
        class_names=tuple(label.names),
        loader=tfds.TfdsLoader(name, test_split=test, image_size=image_size),
        parts=parts,
        sizes=_sizes(counts, test),
        source=f"tensorflow-datasets, {name}",
    )


def _sizes(counts: dict[str, int], test: str) -> dict[str, int]:
    if "train" not in counts:
        return {}
    parts = {"train": counts["train"]}
    return splits.sizes(parts | ({"test": counts[test]} if test in counts else {}))


def _features(builder: Any, name: str) -> tuple[Any, Any]:
    """The image and the label feature of a classification set."""
    library = tfds.import_library()
    keys = builder.info.supervised_keys
    pair = [builder.info.features[key] for key in keys or () if isinstance(key, str)]
    kinds = (library.features.Image, library.features.ClassLabel)
    if (
        len(pair) != 2
        or not all(isinstance(*each) for each in zip(pair, kinds, strict=True))
        or np.dtype(pair[0].np_dtype) != np.uint8
        or pair[0].shape[-1] is None
    ):
        raise ValueError(
            "`name` must be an image classification set: examples of one image in "
            f"uint8 and one class label. Received: name={name!r}, whose examples have "
            f"{', '.join(builder.info.features)}. Read it with tensorflow_datasets "
            "and pass arrays to keras_mpat.datasets.from_arrays(x, y)."
        )
    return pair[0], pair[1]


def _builder(name: str, data_dir: str | None) -> Any:
    library = tfds.import_library()
    try:
        return library.builder(name, data_dir=tfds.folder(data_dir))
    except library.core.registered.DatasetNotFoundError as error:
        raise LookupError("there is none of that name") from error
    except ImportError as error:  # of an optional package, for sets of other hubs
        raise LookupError(f"it cannot be read here: {error}") from error
    except (AssertionError, ValueError) as error:
        reason = str(error) or "the name cannot be parsed"
        raise LookupError(reason.splitlines()[0][:200]) from error
