"""Files that are whole at any moment, whenever the process or the machine stops.

with written(path, "wb") as file:
    np.savez(file, **arrays)
write_json("run.json", {"finished": True})
"""

import contextlib
import json
import os
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def written(path: str | os.PathLike, mode: str = "w") -> Iterator[Any]:
    """Opens a file that takes the place of `path` when the block has ended well.

    What was there before stays until the new content is on the disk, and stays for good
    if the block raises or the disk is full.

    Args:
        path: of the file; its folder must exist.
        mode: "w" for text in UTF-8, "wb" for bytes.
    """
    partial = f"{os.fspath(path)}.part"
    try:
        with open(partial, mode, encoding=None if "b" in mode else "utf-8") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(partial)
        raise


def write_text(path: str | os.PathLike, text: str) -> None:
    """Writes a text file whole or not at all."""
    with written(path) as file:
        file.write(text)


def write_json(path: str | os.PathLike, value: Any) -> None:
    """Writes JSON values, indented, whole or not at all."""
    write_text(path, json.dumps(value, indent=1) + "\n")
