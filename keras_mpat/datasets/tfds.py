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

_CHUNK = 4096


@dataclasses.dataclass(frozen=True)
class TfdsLoader:
    """Loads the splits of one tensorflow-datasets builder as arrays.

    Nothing is fetched unless `download=True`: a run that lacks its data stops at
    once with the command that gets it, rather than waiting for a network.

    Args:
        builder: Text, the builder's name, with a version or configuration if need
            be, such as `"mnist"` or `"mnist:3.0.1"`.

    Call arguments:
        part: Name of the builder's split, "train" or "test".
        data_dir: Folder of the prepared data. Default: the environment variable
            TFDS_DATA_DIR, else the library's own default.
        download: Whether to download and prepare what is missing.

    Returns:
        Images (N, H, W, C_in) in uint8 and labels (N,) in int32, read-only; they
        are kept in memory for the next call.

    Raises:
        FileNotFoundError: If the data is not there and `download` is False.
        ImportError: If tensorflow-datasets is not installed.
    """

    builder: str

    def __call__(
        self, part: str, *, data_dir: str | None = None, download: bool = False
    ) -> tuple[np.ndarray, np.ndarray]:
        folder = data_dir or os.environ.get("TFDS_DATA_DIR") or None
        if folder is not None:
            folder = os.path.abspath(os.path.expanduser(folder))
        if download:
            _import_tfds().builder(self.builder, data_dir=folder).download_and_prepare()
        return _read(self.builder, part, folder)


# Two sets, both parts: a set and its superclass variant share the arrays.
@functools.lru_cache(maxsize=4)
def _read(name: str, part: str, folder: str | None) -> tuple[np.ndarray, np.ndarray]:
    tfds = _import_tfds()
    builder = tfds.builder(name, data_dir=folder)
    if not builder.is_prepared():
        raise FileNotFoundError(
            f"`data_dir` must be a folder where {name!r} is prepared. Received: "
            f"data_dir={folder!r}, with nothing in {os.fspath(builder.data_dir)!r}. "
            f"Fetch it once with\n    {fetch_command(name, folder)}\nor pass "
            "download=True; data that lies elsewhere is found through `data_dir` or "
            "the environment variable TFDS_DATA_DIR."
        )
    # Large batches: the images are decoded in parallel, without a Python call for
    # each of them.
    config = tfds.ReadConfig(try_autocache=False)
    stream = builder.as_dataset(
        split=part, batch_size=_CHUNK, as_supervised=True, read_config=config
    )
    images, labels = map(np.concatenate, zip(*tfds.as_numpy(stream), strict=True))
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


def _import_tfds() -> Any:
    try:
        import tensorflow_datasets
    except ImportError as error:
        raise ImportError(
            "This data set is read through tensorflow-datasets, which could not be "
            f'imported ({error}). Run: pip install "keras_mpat[data]"'
        ) from error
    return tensorflow_datasets
