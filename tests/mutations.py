"""Makes each one-line breakage of `breakages.py` in a copy; the tests must notice it.

    python -m tests.mutations [--only sign] [--workers 2] [--write results/mutations.md]

A breakage names the tests that should notice it, to save the time of the others, slow
ones only by `-k`; they pass on the unbroken copy first. With `--write` the same command
goes on after an interruption, and makes only those again whose file or tests have
changed since.
"""

import argparse
import hashlib
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path

from tests.breakages import MUTATIONS, Mutation

REPOSITORY = Path(__file__).resolve().parent.parent
_COPIED = (
    "keras_mpat",
    "tests",
    "examples",
    "tuning",
    "pyproject.toml",
    "README.md",
)
_TIMEOUT = 1800  # seconds
_PASSED, _FAILED = 0, 1  # pytest's exit codes


@dataclass(frozen=True)
class Trial:
    """Tests to run in a copy, `mutation` made in it (`None`: unbroken)."""

    tests: str
    mutation: Mutation | None = None

    @property
    def title(self) -> str:
        """As shown; unique."""
        return self.mutation.title if self.mutation else f"unbroken: {self.tests}"

    def digest(self) -> str:
        """Of all that its result is taken to depend on."""
        files = sorted(REPOSITORY.glob("keras_mpat/**/*.py"))
        if self.mutation:
            files = [REPOSITORY / "keras_mpat" / self.mutation.file]
        files += [REPOSITORY / name for name in self.tests.split() if "/" in name]
        made = self.mutation and astuple(self.mutation)
        digest = hashlib.sha256(repr((self.tests, made)).encode())
        for path in files:
            digest.update(path.read_bytes())
        return digest.hexdigest()


def copy(folder: Path) -> None:
    """Copies what the tests need into `folder`."""
    for name in _COPIED:
        source = REPOSITORY / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, folder / name, ignore=ignored)
        else:
            shutil.copy(source, folder / name)


def run_tests(folder: Path, tests: str) -> int:
    """pytest's exit code in the copy. For a process of its own: never call it twice."""
    import pytest

    os.chdir(folder)
    os.environ["PYTHONPATH"] = str(folder)
    sys.path.insert(0, str(folder))
    for name in [name for name in sys.modules if name.split(".")[0] == "tests"]:
        del sys.modules[name]
    files, _, expression = tests.partition(" -k ")
    chosen = ["-k", expression] if expression else ["-m", "not slow"]  # named: run
    options = ["-x", "-q", "-p", "no:cacheprovider"]
    return int(pytest.main([*options, *chosen, *files.split()]))


def begin(trial: Trial, folder: Path) -> int:
    """Starts a trial in a copy in `folder`; returns the id of its process.

    A fork has TensorFlow imported, which takes longer than most tests.
    """
    copy(folder)
    if trial.mutation:
        trial.mutation.apply(folder / "keras_mpat")
    process = os.fork()
    if process:
        return process
    code = _FAILED + 1  # an error of this script
    try:
        os.setsid()
        signal.alarm(_TIMEOUT)  # a loop without end is noticed, too
        with open(folder / "log", "wb") as log:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
        code = run_tests(folder, trial.tests)
    finally:
        os._exit(code)


@contextmanager
def processes() -> Iterator[dict[int, tuple[Trial, Path, float]]]:
    """Processes by their ids; what is left of them at the end is stopped."""
    running: dict[int, tuple[Trial, Path, float]] = {}
    try:
        yield running
    finally:
        for process, (_, folder, _) in running.items():
            _stop(process)
            shutil.rmtree(folder, ignore_errors=True)


def run(
    trials: list[Trial], workers: int, done: Callable[[Trial, int, float], None]
) -> None:
    """Runs trials, `workers` at a time; `done` gets each with its exit code, seconds.

    The code is negative where a signal ended the process.
    """
    left = list(reversed(trials))
    with processes() as running:
        while left or running:
            while left and len(running) < workers:
                trial, folder = left.pop(), Path(tempfile.mkdtemp())
                running[begin(trial, folder)] = (trial, folder, time.perf_counter())
            process, status = os.wait()
            trial, folder, start = running.pop(process)
            _stop(process)  # what its tests have started
            shutil.rmtree(folder, ignore_errors=True)
            code = os.waitstatus_to_exitcode(status)
            done(trial, code, time.perf_counter() - start)


def caught(code: int) -> bool:
    """Whether tests with this exit code have noticed a breakage."""
    return code in (_FAILED, -signal.SIGALRM)


def table(found: dict[str, dict]) -> str:
    """Markdown of the results so far, in the order of `breakages.py`."""
    lines = [
        "Breakages of `tests/breakages.py`, each made in a copy of the package.\n",
        "| breakage | file | caught | seconds |",
        "| --- | --- | --- | --- |",
    ]
    for mutation in MUTATIONS:
        if result := found.get(mutation.title):
            word = "yes" if caught(result["code"]) else "NO"
            cells = (mutation.title, f"`{mutation.file}`", word, result["seconds"])
            lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + "\n"


def read(path: Path | None) -> dict[str, dict]:
    """Results of an earlier run, by title; those of code that has changed left out."""
    if path is None or not path.exists():
        return {}
    found = json.loads(path.read_text(encoding="utf-8"))
    digests = {trial.title: trial.digest() for trial in planned("")}
    return {
        title: result
        for title, result in found.items()
        if digests.get(title) == result["digest"]
    }


def planned(only: str) -> list[Trial]:
    """The trials whose titles contain `only`, and before them the unbroken tests."""
    chosen = [mutation for mutation in MUTATIONS if only in mutation.title]
    groups = dict.fromkeys(mutation.tests for mutation in chosen)
    broken = [Trial(mutation.tests, mutation) for mutation in chosen]
    return [*map(Trial, groups), *broken]


def main() -> int:
    """Runs what the flags choose; the exit code is the number of survivors."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="part of the titles to run")
    parser.add_argument("--workers", type=int, default=1, help="trials at a time")
    parser.add_argument("--write", type=Path, help="file for the table")
    given = parser.parse_args()
    state = given.write and given.write.with_suffix(".json")
    found = read(state)
    trials = planned(given.only)
    broken = [trial for trial in trials if trial.mutation]
    pending = [trial for trial in broken if trial.title not in found]
    concerned = {trial.tests for trial in pending}
    unbroken = [t for t in trials if not t.mutation and t.tests in concerned]
    pending = [t for t in unbroken if t.title not in found] + pending
    number = len(trials) - len(pending)

    def done(trial: Trial, code: int, seconds: float) -> None:
        nonlocal number
        number += 1
        if trial.mutation is None and code != _PASSED:
            sys.exit(f"The tests fail on the unbroken code: {trial.tests} ({code})")
        word = "ok" if trial.mutation is None else "yes" if caught(code) else "NO"
        print(f"{number}/{len(trials)}  {seconds:3.0f} s  {word}  {trial.title}")
        digest = trial.digest()
        found[trial.title] = {"digest": digest, "code": code, "seconds": round(seconds)}
        if given.write:
            given.write.write_text(table(found), encoding="utf-8")
            state.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")

    _import_what_all_need()
    run(pending, given.workers, done)
    survivors = [t for t in broken if not caught(found[t.title]["code"])]
    print(f"{len(broken) - len(survivors)} of {len(broken)} caught")
    return len(survivors)


def _import_what_all_need() -> None:
    import keras  # noqa: F401
    import matplotlib.pyplot  # noqa: F401
    import pytest  # noqa: F401
    import scipy.optimize  # noqa: F401
    import sklearn.datasets  # noqa: F401


def _stop(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        pass


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)
    sys.exit(main())
