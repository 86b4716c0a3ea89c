"""What every test shares: the backend, the seed, the threads, the data folder."""

import os
from pathlib import Path

import pytest

# All of these are read when Keras, TensorFlow, Matplotlib or NumPy is first imported,
# and handed on to the processes that tests start.
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("MPLBACKEND", "agg")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
if "PYTEST_XDIST_WORKER" in os.environ:
    # Several workers share the cores: more threads would only wait for each other.
    for variable in (
        "OMP_NUM_THREADS",
        "TF_NUM_INTEROP_THREADS",
        "TF_NUM_INTRAOP_THREADS",
    ):
        os.environ.setdefault(variable, "1")

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def seeded():
    """Seed Python, NumPy and the backend, so that a test runs alone as in company."""
    import keras

    keras.utils.set_random_seed(0)


@pytest.fixture(scope="session")
def shared_data():
    """Return the folder of prepared tensorflow-datasets, or skip the test."""
    default = REPOSITORY.parent / "shared" / "data" / "tfds"
    folder = Path(os.environ.get("TFDS_DATA_DIR", default)).expanduser()
    if not folder.is_dir():
        pytest.skip(f"no prepared data in {folder}; set TFDS_DATA_DIR to a folder")
    return folder
