"""Runs that are killed at random moments end with the weights of one that was not."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.callbacks.killed_run import run

_ROOT = Path(__file__).resolve().parents[2]


def _start(folder):
    return subprocess.Popen(
        [sys.executable, "-m", "tests.callbacks.killed_run", str(folder)],
        cwd=_ROOT,
        env=os.environ | {"PYTHONPATH": str(_ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def _survives(tmp_path, kills: int, seed: int) -> None:
    """Kills with SIGKILL so many times, and asks for the same end each time."""
    print(f"seed {seed}")
    begun = time.perf_counter()
    expected = run(tmp_path / "whole")
    longest = 1.2 * (time.perf_counter() - begun)
    draws, done, folders = random.Random(seed), 0, 0
    while done < kills:
        folder = tmp_path / f"run-{folders}"
        while True:
            with _start(folder) as process:
                first = process.stdout.readline()  # the digest, if nothing is left
                time.sleep(draws.uniform(0, longest))
                if done < kills and process.poll() is None:
                    process.kill()
                    done += 1
                told = (first + process.stdout.read()).split()
            if process.returncode == 0:
                assert told[-1] == expected
                break
        folders += 1
    print(f"{done} kills, {folders} runs ended, all with the same weights")


def test_three_kills_change_nothing(tmp_path):
    _survives(tmp_path, 3, random.randrange(10**6))


@pytest.mark.slow
def test_fifty_kills_change_nothing(tmp_path):
    _survives(tmp_path, 50, random.randrange(10**6))
