"""From a name to the description of a data set.

A name is a registered one, `"folder:<path>"`, or the name of an image classification
set of tensorflow-datasets, plain or as `"tfds:<name>"`. Registered names come first;
another spelling of one is refused, as tensorflow-datasets would ignore the difference.
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
    if not isinstance(name, str):
        raise _unknown(name, guess=None)
    entry = find(name)
    if isinstance(entry, LazyInfo):
        return entry.describe(**where)
    if entry is not None:
        return _of_its_own_size(entry, image_size)
    scheme, _, rest = name.partition(":")
    if scheme.lower() in ("folder", "tfds"):
        if not rest:
            raise _unknown(name, guess=None)
        reader = folder if scheme.lower() == "folder" else tfds_info
        return reader.describe(rest, **where)
    _refuse_other_spelling(name)
    if tfds_info.knows(name, data_dir):
        return tfds_info.describe(name, **where)
    raise _unknown(name, guess=nearest(name, [*names(), *tfds_info.similar(name)]))


def _of_its_own_size(entry: DatasetInfo, image_size: tuple | None) -> DatasetInfo:
    if image_size not in (None, tuple(entry.input_shape[:2])):
        height, width = entry.input_shape[:2]
        raise ValueError(
            f"`image_size` must be None for {entry.name!r}, whose images are "
            f"{height}x{width} (pixels). Received: image_size={image_size}. Resize "
            "inside the model, with a keras.layers.Resizing."
        )
    return entry


def _refuse_other_spelling(name: str) -> None:
    """Raises for "MNIST", which tensorflow-datasets would take for its own "mnist"."""
    twins = [known for known in names() if _plain(known) == _plain(name)]
    library = tfds_info.names() if twins else []
    if not twins or name in library:
        return
    plain = f" For the plain set: 'tfds:{twins[0]}'." if twins[0] in library else ""
    raise ValueError(
        "`name` must be spelled as in datasets.names(). Received: "
        f"name={name!r}. Did you mean {twins[0]!r}?{plain}"
    )


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")


def _unknown(name: Any, guess: str | None) -> ValueError:
    advice = "" if guess is None else f" Did you mean {guess!r}?"
    return ValueError(
        f"`name` must be one of {', '.join(names())}, an image classification set of "
        "tensorflow-datasets, or 'folder:' and the path of a folder of images. "
        f"Received: name={name!r}.{advice} Add one with datasets.register(datasets."
        "DatasetInfo(...)), or pass arrays to datasets.from_arrays(x, y)."
    )
