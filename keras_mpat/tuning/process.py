"""Starts a process for a trial, waits for it, and survives whatever happens to it."""

import contextlib
import multiprocessing
import os
import pickle
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from keras_mpat.tuning import trial
from keras_mpat.tuning.job import Job, Outcome, read_outcome

_TICK = 0.5  # seconds between two looks
_GUARD = 'a script must search under `if __name__ == "__main__":`'


def check_guard() -> None:
    """Raises in a process that only imports the script that began the search.

    Raises:
        RuntimeError: the script searches as soon as it is imported.
    """
    # What multiprocessing asks, too, but later: the folder is locked before.
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise RuntimeError(_GUARD)


def pickled(hyper_model) -> bytes:
    """The hyper-model as another process gets it.

    Raises:
        ValueError: it holds something that cannot be given to one.
    """
    try:
        content = pickle.dumps(hyper_model)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise ValueError(
            "`hyper_model` must be picklable: each trial runs in a process of its own. "
            f"Received: {hyper_model!r} ({error}). Define its functions and classes at "
            "the top of a module, and pass data as arrays or as a function."
        ) from None
    script = getattr(sys.modules["__main__"], "__file__", None)  # none: interactive
    lost = b"__main__" in content if script is None else not os.path.exists(script)
    if lost:
        raise ValueError(
            "`hyper_model` must be made of what a file holds: each trial runs in a "
            f"process of its own, which imports it. Received: {hyper_model!r}, in "
            "a notebook, a console or standard input. Move its functions and classes "
            "to a module, say search_parts.py, import them, and search again."
        )
    return content


def run_apart(
    content: bytes, job: Job, *, told: Callable, tick: Callable[[], bool]
) -> Outcome:
    """Runs a trial in a new process.

    Args:
        content: from `pickled`.
        job: what to do.
        told: called with (seed, epochs done, figures) after each epoch.
        tick: called about twice a second; False: give this trial up.

    Returns:
        Its outcome; that of a process that died says how.
    """
    folder = Path(job.folder)
    folder.mkdir(parents=True, exist_ok=True)
    context = multiprocessing.get_context("spawn")  # nothing of TensorFlow is inherited
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(
        target=trial.main, args=(content, job, theirs, os.getpid()), daemon=True
    )
    with _output_in(folder / "log.txt"):
        process.start()
    theirs.close()
    try:
        while process.is_alive():
            if not _heard(ours, told, _TICK):
                process.join(_TICK)
            if not tick():
                return Outcome("failed", reason="given up")
        while _heard(ours, told, 0.0):
            pass
    finally:
        process.terminate()
        process.join()
        ours.close()
    found = read_outcome(folder)
    if found is None:
        found = Outcome("failed", reason=_death(process.exitcode, folder))
        found.save(folder)
    return found


@contextlib.contextmanager
def _output_in(path: Path) -> Iterator[None]:
    """Processes that start within write into a file, C++ and imports included."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [os.dup(1), os.dup(2)]
    try:
        with open(path, "a", encoding="utf-8") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        yield
    finally:
        for number, copy in zip((1, 2), kept, strict=True):
            os.dup2(copy, number)
            os.close(copy)


def _heard(connection, told: Callable, seconds: float) -> bool:
    """Passes on a message, waiting for it so long; whether there was one."""
    try:
        if not connection.poll(seconds):
            return False
        told(*connection.recv())
    except (EOFError, OSError):  # the other end is closed
        return False
    return True


def output_of(folder: str | os.PathLike) -> str:
    """The end of what the process of a trial wrote."""
    path = Path(folder) / "log.txt"
    if not path.exists():
        return ""
    return path.read_text(encoding="utf-8", errors="replace")[-3000:]


def _death(code: int | None, folder: Path) -> str:
    """How a process ended that left no outcome."""
    reason = f"its process ended with code {code}"
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        reason = f"its process was ended by {name}"
        if name == "SIGKILL":
            reason += " (out of memory?)"
    if _GUARD in output_of(folder):
        return _GUARD
    return f"{reason}; {folder / 'log.txt'} holds its output"
