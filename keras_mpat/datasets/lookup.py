"""From a name to the description of a data set.

A name is a registered one, `"folder:<path>"`, or the name of an image classification
set of tensorflow-datasets, plain or as `"tfds:<name>"`. Registered names come first.
"""

from typing import Any

from keras_mpat.choices import nearest
from keras_mpat.datasets import checks, folder, tfds_info
from keras_mpat.datasets.catalog import DatasetInfo, LazyInfo, find, names


def info(
    name: str,
    *,
    data_dir: str | None = None,
    image_size: tuple[int, int] | None = None,
) -> DatasetInfo:
    """The description of the data set `name`.

    Args:
        name: One of `names()`; `"folder:<path>"` for a folder of images with one
            sub-folder per class; or a set of tensorflow-datasets, such as
            `"fashion_mnist"` or `"tfds:cifar10_corrupted/fog_3"`.
        data_dir: Folder of the data, for sets that are described by their files.
        image_size: Height and width to resize the images to, for sets that are read
            from image files or have images of mixed sizes. Default: as they are.

    Raises:
        ValueError: If there is no such set; the message names the nearest one.
        FileNotFoundError: If files that describe the set are missing.
    """
    image_size = checks.image_size(image_size)
    where: dict[str, Any] = {"data_dir": data_dir, "image_size": image_size}
    entry = find(name)
    if isinstance(entry, LazyInfo):
        return entry.describe(**where)
    if entry is not None:
        return _of_its_own_size(entry, image_size)
    scheme, _, rest = str(name).partition(":")
    if scheme == "folder" and rest:
        return folder.describe(rest, **where)
    if scheme == "tfds" and rest:
        return tfds_info.describe(rest, **where)
    if tfds_info.knows(str(name), data_dir):
        return tfds_info.describe(str(name), **where)
    raise _unknown(name)


def _of_its_own_size(entry: DatasetInfo, image_size: tuple | None) -> DatasetInfo:
    if image_size not in (None, tuple(entry.input_shape[:2])):
        height, width = entry.input_shape[:2]
        raise ValueError(
            f"`image_size` must be None for {entry.name!r}, whose images are "
            f"{height}x{width} (pixels). Received: image_size={image_size}. Resize "
            "inside the model, with a keras.layers.Resizing."
        )
    return entry


def _unknown(name: str) -> ValueError:
    known = [*names(), *tfds_info.names()]
    near = nearest(name, known)
    guess = "" if near is None else f" Did you mean {near!r}?"
    return ValueError(
        f"`name` must be one of {', '.join(names())}, an image classification set of "
        "tensorflow-datasets, or 'folder:' and the path of a folder of images. "
        f"Received: name={name!r}.{guess} Add one with datasets.register(datasets."
        "DatasetInfo(...)), or pass arrays to datasets.from_arrays(x, y)."
    )
