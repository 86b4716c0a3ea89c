"""Starts the planted search as a user would, in processes that can be killed."""

import os
import subprocess
import sys
import time
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]


def start(folder, pause, *options) -> subprocess.Popen:
    """`tests.tuning.planted_search` in a process, its output in a pipe."""
    arguments = [sys.executable, "-m", "tests.tuning.planted_search", folder, pause]
    return subprocess.Popen(
        [*map(str, arguments), *options],
        cwd=_ROOT,
        env=_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run_script(path, *, stdin=None, seconds: float = 500):
    """A script of a test in a process of its own, its whole output in `stdout`.

    Args:
        path: of the script; "-" reads it from `stdin`.
        stdin: text.
        seconds: within which it ends.
    """
    return subprocess.run(
        [sys.executable, str(path)],
        cwd=_ROOT,
        env=_environment(),
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=seconds,
    )


def _environment() -> dict[str, str]:
    path = os.pathsep.join([str(_ROOT), os.environ.get("PYTHONPATH", "")])
    return os.environ | {"PYTHONPATH": path}


def finish(process: subprocess.Popen, seconds: float = 500) -> str:
    """What a process printed until it ended well."""
    text, _ = process.communicate(timeout=seconds)
    if process.returncode:
        raise RuntimeError(f"it ended with {process.returncode}:\n{text[-3000:]}")
    return text


def wait_for(condition, seconds: float = 400) -> None:
    """Waits until something is true.

    Raises:
        TimeoutError: it was not true for so long.
    """
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {seconds} s")
        time.sleep(0.05)
