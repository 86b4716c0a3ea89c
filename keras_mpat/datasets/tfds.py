"""Reads image classification sets that tensorflow-datasets has prepared.

DatasetInfo(name="svhn", ..., loader=TfdsLoader("svhn_cropped"))
"""

import dataclasses
import functools
import json
import os
import shlex
from typing import Any

import numpy as np

from keras_mpat.datasets.images import resized

_CHUNK = 4096


@dataclasses.dataclass(frozen=True)
class TfdsLoader:
    """Loads the splits of one tensorflow-datasets builder as arrays.

    Nothing is fetched unless `download=True`: a run that lacks its data stops at
    once with the command that gets it, rather than waiting for a network.

    Args:
        builder: Text, the builder's name, with a version or configuration if need
            be, such as `"mnist"` or `"mnist:3.0.1"`.
        test_split: Name of the builder's split that is the part "test".
        image_size: Height and width to resize to. Default: the images' own.

    Call arguments:
        part: "train" or "test".
        data_dir: Folder of the prepared data. Default: the environment variable
            TFDS_DATA_DIR, else the library's own default.
        download: Whether to download and prepare what is missing.

    Returns:
        Images (N, H, W, C_in) in uint8 and labels (N,) in int32, read-only; they
        are kept in memory for the next call.

    Raises:
        FileNotFoundError: If the data is not there and `download` is False.
        ImportError: If tensorflow-datasets or TensorFlow is not installed.
        ValueError: If the set has no such split.
    """

    builder: str
    test_split: str = "test"
    image_size: tuple[int, int] | None = None

    def __call__(
        self, part: str, *, data_dir: str | None = None, download: bool = False
    ) -> tuple[np.ndarray, np.ndarray]:
        where = folder(data_dir)
        if download:
            builder = import_library().builder(self.builder, data_dir=where)
            builder.download_and_prepare()
        split = self.test_split if part == "test" else part
        return _read(self.builder, split, where, self.image_size)


def folder(data_dir: str | None) -> str | None:
    """The folder of prepared data that `data_dir` or the environment names."""
    given = data_dir or os.environ.get("TFDS_DATA_DIR") or None
    return given and os.path.abspath(os.path.expanduser(given))


# Two sets, both parts: a set and its superclass variant share the arrays.
@functools.lru_cache(maxsize=4)
def _read(
    name: str, part: str, folder: str | None, image_size: tuple[int, int] | None
) -> tuple[np.ndarray, np.ndarray]:
    tfds = import_library()
    builder = tfds.builder(name, data_dir=folder)
    if not builder.is_prepared():
        raise FileNotFoundError(
            f"`data_dir` must be a folder where {name!r} is prepared. Received: "
            f"data_dir={folder!r}, with nothing in {os.fspath(builder.data_dir)!r}. "
            f"Fetch it once with\n    {fetch_command(name, folder)}\nor pass "
            "download=True; data that lies elsewhere is found through `data_dir` or "
            "the environment variable TFDS_DATA_DIR."
        )
    published = list(builder.info.splits)
    if published and part not in published:
        raise ValueError(
            f"`split` must be part of what {name!r} has ({', '.join(published)}). "
            f"Received: a split that is read from {part!r}. Load another split or set."
        )
    options: dict[str, Any] = {"read_config": tfds.ReadConfig(try_autocache=False)}
    if image_size is None:
        # Large batches: the images are decoded in parallel, without a Python call for
        # each of them.
        options["batch_size"] = _CHUNK
    stream = builder.as_dataset(split=part, as_supervised=True, **options)
    pairs = tfds.as_numpy(stream)
    if image_size is None:
        images, labels = map(np.concatenate, zip(*pairs, strict=True))
    else:
        pairs = ((resized(image, image_size), label) for image, label in pairs)
        images, labels = map(np.stack, zip(*pairs, strict=True))
    labels = labels.astype("int32")
    images.flags.writeable = labels.flags.writeable = False
    return images, labels


def fetch_command(name: str, folder: str | None) -> str:
    """The command line that downloads and prepares `name` into `folder`."""
    where = "" if folder is None else f", data_dir={json.dumps(folder)}"
    code = (
        "import tensorflow_datasets as tfds; "
        f"tfds.builder({json.dumps(name)}{where}).download_and_prepare()"
    )
    return f"python -c {shlex.quote(code)}"


def import_library() -> Any:
    """tensorflow-datasets, or an error that says what is missing."""
    try:
        # The library itself imports TensorFlow late, and fails in other ways then.
        import tensorflow  # noqa: F401
        import tensorflow_datasets
    except ImportError as error:
        raise ImportError(
            "This data set is read through tensorflow-datasets and TensorFlow, which "
            f"could not be imported ({error}). Run: pip install "
            '"keras_mpat[data]", or load "digits", a folder of images or Tiny ImageNet.'
        ) from error
    return tensorflow_datasets
