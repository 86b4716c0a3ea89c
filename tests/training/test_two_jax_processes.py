"""Two JAX processes, each with its rows of a batch, train as one with all of them."""

import os
import subprocess
import sys

import numpy as np
import pytest

import keras_mpat as mpat
from keras_mpat import backend
from tests import ports
from tests.training import two_devices

KINDS = ("pgd", "free")
# Free: 1e-7 apart after a step, 9e-7 after 5, 6e-6 after 20, 1e-5 after all sixty:
# rounding that grows.
LIMIT = 2e-5


@pytest.mark.skipif(backend.NAME != "jax", reason="processes of JAX")
def test_two_processes_end_with_the_weights_and_figures_of_one(tmp_path):
    """With random starts, Free's perturbation, a validation attack and FullState."""
    address = f"127.0.0.1:{ports.free(1)[0]}"
    names = ("JOB_ADDRESSES", "NUM_PROCESSES", "PROCESS_ID")
    processes = [
        subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.training.two_jax_processes",
                tmp_path,
                *KINDS,
            ],
            env=os.environ
            | {"PYTHONPATH": os.pathsep.join(sys.path)}
            | {
                f"KERAS_DISTRIBUTION_{name}": value
                for name, value in zip(names, (address, "2", rank), strict=True)
            },
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in ("0", "1")
    ]
    for process in processes:
        told = process.communicate(timeout=300)[1]
        assert process.returncode == 0, told[-2000:]
    for kind in KINDS:
        assert mpat.callbacks.FullState(tmp_path / kind).epoch == two_devices.EPOCHS
        weights, logs = two_devices.trained(kind, shuffle=False)  # as their streams
        with np.load(tmp_path / f"{kind}.npz") as found:
            assert len(found.files) == len(weights) + len(logs)
            for name, value in weights.items():
                np.testing.assert_allclose(found[f"weight {name}"], value, atol=LIMIT)
            for name, row in logs.items():
                np.testing.assert_allclose(found[f"log {name}"], row, atol=LIMIT)
