"""Finished buckets of an evaluation, in memory and in a folder that outlives a kill."""

import hashlib
import json
import os

import numpy as np


class State:
    """Verdicts by bucket number; with a folder, each bucket is written when it is done.

    Args:
        folder: where to keep buckets, or `None`: memory only.
        fingerprint: JSON values that name the evaluation.

    Raises:
        ValueError: the folder holds buckets of another evaluation.
    """

    def __init__(self, folder, fingerprint: dict):
        self._folder = None if folder is None else os.fspath(folder)
        self._rows: dict[int, dict[str, np.ndarray]] = {}
        self._seconds: dict[int, dict[str, float]] = {}
        if self._folder is not None:
            self._open(fingerprint)

    def _open(self, fingerprint: dict) -> None:
        os.makedirs(self._folder, exist_ok=True)
        path = os.path.join(self._folder, "evaluation.json")
        fingerprint = json.loads(json.dumps(fingerprint))  # tuples become lists
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                found = json.load(file)
            if found != fingerprint:
                changed = [key for key in found if found[key] != fingerprint.get(key)]
                raise ValueError(
                    "`state_dir` holds another evaluation. Received: "
                    f"state_dir={self._folder!r}, which differs in {changed}. Pass a "
                    "new folder, or remove this one."
                )
        _write(path, json.dumps(fingerprint).encode())

    def get(self, number: int, data: str):
        """The rows of a finished bucket with this digest of its data, or None."""
        path = self._path(number)
        if path is None or not os.path.exists(path):
            return None
        with np.load(path, allow_pickle=False) as stored:
            rows = {name: stored[name] for name in stored.files}
        if str(rows.pop("data")) != data:
            raise ValueError(
                "`state_dir` holds an evaluation of other data (inputs and labels). "
                f"Received: state_dir={self._folder!r}, bucket {number}. Pass a new "
                "folder, or remove this one."
            )
        self._seconds[number] = json.loads(str(rows.pop("seconds")))
        self._rows[number] = rows
        return rows

    def put(self, number: int, data: str, rows: dict, seconds: dict) -> None:
        """Keeps the rows of a bucket, the digest of its data and its seconds."""
        self._rows[number], self._seconds[number] = rows, seconds
        path = self._path(number)
        if path is not None:
            with open(f"{path}.part", "wb") as file:
                np.savez(file, data=data, seconds=json.dumps(seconds), **rows)
            os.replace(f"{path}.part", path)

    def seconds(self, name: str) -> float:
        """Time spent on an attack in all buckets, interruptions included."""
        return sum(seconds[name] for seconds in self._seconds.values())

    def concatenated(self) -> dict[str, np.ndarray]:
        """All buckets in order, as one array per name."""
        ordered = [self._rows[number] for number in sorted(self._rows)]
        return {
            name: np.concatenate([rows[name] for rows in ordered])
            for name in ordered[0]
        }

    def _path(self, number: int):
        if self._folder is None:
            return None
        return os.path.join(self._folder, f"bucket-{number:06d}.npz")


def digest(arrays) -> str:
    """sha256 of arrays: their dtypes, shapes and bytes."""
    total = hashlib.sha256()
    for array in arrays:
        array = np.ascontiguousarray(array)
        total.update(f"{array.dtype}{array.shape}".encode())
        total.update(array.tobytes())
    return total.hexdigest()


_NAMES = ("name", "inbound_nodes", "input_layers", "output_layers")


def without_names(config):
    """A Keras config without the names of layers, which count up in each process."""
    if isinstance(config, dict):
        pairs = config.items()
        return {k: without_names(v) for k, v in pairs if k not in _NAMES}
    if isinstance(config, (list, tuple)):
        return [without_names(entry) for entry in config]
    return config


def count(data, limit: int | None, size: int) -> int | None:
    """Number of buckets, if the data tells its length."""
    if not isinstance(data, (tuple, list)):
        return None if limit is None else -(-limit // size)
    n = len(data[0]) if limit is None else min(limit, len(data[0]))
    return -(-n // size)


def _write(path: str, content: bytes) -> None:
    with open(f"{path}.part", "wb") as file:
        file.write(content)
    os.replace(f"{path}.part", path)
