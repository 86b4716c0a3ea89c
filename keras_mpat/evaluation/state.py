"""Work on chunks of an evaluation, in memory and in a folder that outlives a kill."""

import dataclasses
import hashlib
import json
import os
import time
import zipfile
import zlib
from dataclasses import dataclass

import numpy as np

from keras_mpat import files

_EVERY = 20.0  # seconds between two writes of a chunk that is not finished


@dataclass
class Chunk:
    """Examples that go through all attacks together, and how far they have come.

    Attributes:
        number: of the chunk, from 0.
        digest: of its inputs and labels.
        rows: arrays (N, ...) by name.
        position: (part, run, example) that comes next; parts are those of the plan.
        seconds: time spent on each part, by its number.
    """

    number: int
    digest: str
    rows: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    position: tuple[int, int, int] = (0, 0, 0)
    seconds: dict[str, float] = dataclasses.field(default_factory=dict)
    finished: bool = False

    def spent(self, part: int, seconds: float) -> None:
        """Adds time to a part."""
        self.seconds[str(part)] = self.seconds.get(str(part), 0.0) + seconds


class State:
    """Chunks by number; with a folder, they are written as the work goes on.

    Args:
        folder: where to keep chunks, or `None`: memory only.
        fingerprint: JSON values that name the evaluation.

    Raises:
        ValueError: the folder holds chunks of another evaluation.
    """

    def __init__(self, folder, fingerprint: dict):
        self.folder = None if folder is None else os.fspath(folder)
        self._chunks: dict[int, Chunk] = {}
        self._written = time.monotonic()
        if self.folder is not None:
            self._open(fingerprint)

    def _open(self, fingerprint: dict) -> None:
        os.makedirs(self.folder, exist_ok=True)
        path = os.path.join(self.folder, "evaluation.json")
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                found = json.load(file)
            changed = _changed(found, fingerprint)
            if changed:
                raise ValueError(
                    "`state_dir` holds another evaluation. Received: "
                    f"state_dir={self.folder!r}, which differs in {changed}. Pass a "
                    "new folder, or remove this one."
                )
        files.write_text(path, json.dumps(fingerprint))

    def chunk(self, number: int, data: str) -> Chunk:
        """A chunk as it was left, or a new one, for data with this digest."""
        path = self._path(number)
        chunk = _read(path, number) if path and os.path.exists(path) else None
        chunk = chunk or Chunk(number, data)
        if chunk.digest != data:
            raise ValueError(
                "`state_dir` holds an evaluation of other data (inputs and "
                f"labels). Received: state_dir={self.folder!r}, chunk {number}. "
                "Pass a new folder, or remove this one."
            )
        self._chunks[number] = chunk
        return chunk

    def save(self, chunk: Chunk) -> None:
        """Writes a chunk if it is finished, or has not been written for a while."""
        path = self._path(chunk.number)
        now = time.monotonic()
        if path is None or not (chunk.finished or now > self._written + _EVERY):
            return
        head = {
            "position": list(chunk.position),
            "seconds": chunk.seconds,
            "finished": chunk.finished,
        }
        with files.written(path, "wb") as file:
            np.savez(file, data=chunk.digest, head=json.dumps(head), **chunk.rows)
        self._written = now

    def part(self, number: int) -> tuple[np.ndarray, float]:
        """Verdicts after a part, and time spent on it, before interruptions, too."""
        chunks = self._chunks.values()
        seconds = sum(chunk.seconds.get(str(number), 0.0) for chunk in chunks)
        return self.concatenated(f"part {number}"), seconds

    def concatenated(self, name: str) -> np.ndarray:
        """The rows of this name of all chunks, in order."""
        ordered = sorted(self._chunks)
        return np.concatenate([self._chunks[number].rows[name] for number in ordered])

    def _path(self, number: int):
        if self.folder is None:
            return None
        return os.path.join(self.folder, f"chunk-{number:06d}.npz")


def _changed(found: dict, fingerprint: dict) -> list[str]:
    """Names of what differs, if only in its order: verdicts are in that of attacks."""
    names = sorted(found.keys() | fingerprint.keys())
    both = [[json.dumps(one.get(k)) for k in names] for one in (found, fingerprint)]
    return [name for name, *pair in zip(names, *both, strict=True) if len({*pair}) > 1]


def _read(path: str, number: int) -> Chunk | None:
    """The chunk of a file; `None` of one that a crash of the machine has torn."""
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as stored:
            rows = {name: stored[name] for name in stored.files}
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError):
        return None
    digest, head = str(rows.pop("data")), json.loads(str(rows.pop("head")))
    position = tuple(head["position"])
    return Chunk(number, digest, rows, position, head["seconds"], head["finished"])


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
