"""Files that are whole at any moment, whenever the process or the machine stops.

with written(path, "wb") as file:
    np.savez(file, **arrays)
with beside("model.keras") as path:
    model.save(path)
write_json("run.json", {"finished": True})
"""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from keras_mpat import locks


@contextlib.contextmanager
def written(path: str | os.PathLike, mode: str = "w") -> Iterator[Any]:
    """Opens a file that takes the place of `path` when the block has ended well.

    What was there before stays until the new content is on the disk, and stays for good
    if the block raises or the disk is full. Processes and threads that write the same
    file take turns, and the last turn's content stays. A block must not write its own
    file once more, for it would wait for itself.

    Args:
        path: of the file; its folder must exist.
        mode: "w" for text in UTF-8, "wb" for bytes.
    """
    partial = Path(f"{os.fspath(path)}.part")
    with locks.turn(partial), _placed(partial, path):
        with open(partial, mode, encoding=None if "b" in mode else "utf-8") as file:
            yield file


@contextlib.contextmanager
def beside(path: str | os.PathLike) -> Iterator[Path]:
    """A path to write to, whose file takes the place of `path` as in `written`.

    For what opens its files itself and insists on their suffix, such as Keras. One file
    per folder and suffix at a time.

    Args:
        path: of the file; its folder must exist.
    """
    path = Path(path)
    with _placed(path.with_name(f"part{''.join(path.suffixes)}"), path) as partial:
        yield partial


@contextlib.contextmanager
def _placed(partial: Path, path: str | os.PathLike) -> Iterator[Path]:
    try:
        yield partial
        with open(partial, "rb") as file:
            os.fsync(file.fileno())
        os.replace(partial, path)
        _sync_folder(partial.parent)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def _sync_folder(folder: Path) -> None:
    # The new name is an entry of the folder, which has to reach the disk as well. Some
    # cannot be synced (Windows, shared disks); the file is there all the same.
    with contextlib.suppress(OSError):
        entries = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(entries)
        finally:
            os.close(entries)


def write_text(path: str | os.PathLike, text: str) -> None:
    """Writes a text file whole or not at all."""
    with written(path) as file:
        file.write(text)


def write_json(path: str | os.PathLike, value: Any) -> None:
    """Writes JSON values, indented, whole or not at all."""
    write_text(path, json.dumps(value, indent=1) + "\n")
