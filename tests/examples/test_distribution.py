"""examples/distribution.py: devices and machines by one flag."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import distribution
import keras
import pytest
import settings

from keras_mpat import backend, models
from tests import ports

ROOT = Path(__file__).resolve().parents[2]
CHOSEN = settings.resolve({"dataset": "digits_2"})
on_tensorflow = pytest.mark.skipif(
    backend.NAME != "tensorflow", reason="strategies of TensorFlow"
)


def test_one_device_is_no_strategy():
    assert distribution.strategy("none", CHOSEN) is None
    with distribution.scope(None):
        pass


@pytest.mark.parametrize(
    ("kind", "given", "message"),
    [
        (
            "both",
            {},
            "must be one of none, mirrored, multi_worker, jax. Received: .*both",
        ),
        ("mirrored", {"pretrain": "acl"}, "pretrain=acl. Pretrain in a run of its own"),
        ("jax", {}, "jax needs KERAS_BACKEND=jax. Received: tensorflow"),
        ("multi_worker", {}, "needs the environment variable TF_CONFIG"),
    ],
)
@on_tensorflow
def test_what_cannot_work_is_refused(kind, given, message, monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    chosen = settings.resolve({"dataset": "digits_2", **given})
    with pytest.raises(ValueError, match=message):
        distribution.strategy(kind, chosen)


def test_another_backend_is_refused(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(
        ValueError, match="mirrored needs KERAS_BACKEND=tensorflow.*jax"
    ):
        distribution.strategy("mirrored", CHOSEN)


@on_tensorflow
def test_statistics_are_shared_while_training_only():
    net = models.lenet(3, input_shape=(8, 8, 1), filters=(2, 2), units=4)
    norms = [n for n in net.layers if isinstance(n, keras.layers.BatchNormalization)]
    for shared in (True, False):
        distribution.share_statistics(net, shared)
        assert norms and all(norm.synchronized is shared for norm in norms)


ARGUMENTS = (
    "--dataset=digits_2 --filters=4,8 --epochs=2 --train_examples=640 --batch_size=64 "
    "--steps=2 --validation_examples=64 --validation_steps=2 --regularizer=none "
    "--select=best"
).split()


def _start(folder, *more, **environment):
    return subprocess.Popen(
        [sys.executable, "examples/train.py", *ARGUMENTS, "--run_dir", folder, *more],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def _history(folder):
    with open(folder / "history.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    times = {"seconds", "images_per_second"}
    return [{k: float(row[k]) for k in row.keys() - times} for row in rows]


def _assert_as_one(started, folder):
    """Processes end well, and two of them have written the history of one."""
    for process in started:
        told = process.communicate(timeout=300)[1]
        assert process.returncode == 0, told[-2000:]
    one, two = (_history(folder / name) for name in ("one", "two"))
    assert len(one) == len(two) == 2
    for row, other in zip(one, two, strict=True):
        assert other == pytest.approx(row, abs=1e-4)


@pytest.mark.slow
@pytest.mark.skipif(backend.NAME != "jax", reason="processes of JAX")
def test_two_processes_write_the_history_of_one(tmp_path):
    address = f"127.0.0.1:{ports.free(1)[0]}"
    started = [_start(tmp_path / "one")]
    for rank in ("0", "1"):
        named = {"JOB_ADDRESSES": address, "NUM_PROCESSES": "2", "PROCESS_ID": rank}
        more = {f"KERAS_DISTRIBUTION_{name}": value for name, value in named.items()}
        started.append(_start(tmp_path / "two", "--distribute", "jax", **more))
    _assert_as_one(started, tmp_path)


@pytest.mark.slow
@on_tensorflow
def test_two_workers_write_the_history_of_one_process(tmp_path):
    workers = [f"127.0.0.1:{port}" for port in ports.free(2)]
    started = [_start(tmp_path / "one")]
    for index in (0, 1):
        task = {"cluster": {"worker": workers}, "task": {"type": "worker"}}
        task["task"]["index"] = index
        more = {"TF_CONFIG": json.dumps(task)}
        arguments = ("--distribute", "multi_worker")
        started.append(_start(tmp_path / "two", *arguments, **more))
    _assert_as_one(started, tmp_path)
    record = json.loads((tmp_path / "two" / "run.json").read_text())
    assert record["finished"] and record["replicas"] == 2
    saved = keras.saving.load_model(tmp_path / "two" / "classifier.keras")
    norms = [n for n in saved.layers if isinstance(n, keras.layers.BatchNormalization)]
    assert norms and not any(norm.synchronized for norm in norms)
