"""The scripts import each other as neighbors; so do their tests."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

_REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(_REPOSITORY / "examples"))

# A net and a budget that train in seconds.
TINY = {
    "dataset": "digits_2",
    "filters": [4, 8],
    "epochs": 4,
    "steps": 2,
    "warmup_epochs": 2,
    "train_examples": 200,
    "validation_examples": 50,
    "validation_steps": 2,
}


@pytest.fixture(scope="session")
def tiny():
    """What is given for a run of seconds, by flag name."""
    return dict(TINY)


@pytest.fixture(scope="session")
def run_script():
    """Calls a script, or code after `-c`, in a process of its own."""

    def call(*arguments):
        path = [str(_REPOSITORY), str(_REPOSITORY / "examples")]
        path.append(os.environ.get("PYTHONPATH", ""))
        return subprocess.run(
            [sys.executable, *map(str, arguments)],
            cwd=_REPOSITORY,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(path)},
            capture_output=True,
            text=True,
            timeout=600,
        )

    return call
