"""One process at a time: a lock on a file, which ends with its process."""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: no lock, and no second process by mistake is noticed
    fcntl = None  # type: ignore[assignment]

_HELD: dict[Path, contextlib.ExitStack] = {}  # by this process


def hold(path: Path) -> None:
    """Holds a lock until `release`, or the end of the process; twice is no error.

    Raises:
        ValueError: another process holds it.
    """
    if path.resolve() not in _HELD:
        stack = contextlib.ExitStack()
        stack.enter_context(locked(path))
        _HELD[path.resolve()] = stack


def release(path: Path) -> None:
    """Ends what `hold` began, if this process did."""
    stack = _HELD.pop(path.resolve(), None)
    if stack is not None:
        stack.close()


@contextlib.contextmanager
def locked(path: Path, *, wait: float = 0.0) -> Iterator[None]:
    """Holds the lock.

    Args:
        path: of the lock's file, made if it is not there.
        wait: seconds to wait for another process.

    Raises:
        ValueError: another process holds it.
    """
    with open(path, "a", encoding="utf-8") as file:
        end = time.monotonic() + wait
        while fcntl is not None:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if time.monotonic() >= end:
                    raise ValueError(
                        f"{os.fspath(path.parent)} must be used by one process at a "
                        f"time. Received: a second one while {path.name} is locked. "
                        "Wait for the other, or pass another folder."
                    ) from None
                time.sleep(0.1)
        yield


@contextlib.contextmanager
def turn(path: Path) -> Iterator[None]:
    """Waits until nobody else has a turn at a file, which is made if it is not there.

    Whoever has the turn may move the file away or remove it; the next one has a new
    file under this path. A turn ends with its process, and the file may be left behind.
    Where files cannot be locked (Windows, some shared disks) nobody waits.

    Args:
        path: of the file; its folder must exist.
    """
    with contextlib.ExitStack() as stack:
        while fcntl is not None:
            file = stack.enter_context(open(path, "a", encoding="utf-8"))
            try:
                fcntl.flock(file, fcntl.LOCK_EX)
            except OSError:
                break
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(file.fileno()), os.stat(path)):
                    break
            stack.close()  # the one before has moved it: its lock says nothing now
        yield
