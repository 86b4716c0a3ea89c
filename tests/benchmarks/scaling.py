"""Efficiency of two processes on loopback, and a model of 8 to 512 accelerators.

    python -m tests.benchmarks.scaling [--steps 20] [--write results/scaling]

Measured: PGD-7 through `fit`, ResNet-18 of width 16, batch 64 per worker (weak
scaling), one thread per worker, MultiWorkerMirroredStrategy: a worker alone, the same
beside a second one that it does not know, and the two together. The second row shows
what sharing the machine costs, the third what meeting costs. Modelled: `efficiency`.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from tests import ports

BATCH, ATTACK_STEPS = 64, 7


def efficiency(
    devices: int,
    *,
    parameters: float,
    flops: float,
    speed: float,
    bandwidth: float,
    latency: float,
) -> float:
    """Share of a step in which a device computes: ring all-reduce, nothing overlapped.

    Args:
        devices: accelerators, n.
        parameters: gradients that meet, each of 4 bytes.
        flops: floating-point operations of a device per step.
        speed: of a device, FLOP/s that it achieves.
        bandwidth: bytes/s of each device's link.
        latency: seconds of a message; there are 2 log2(n) rounds (tree).
    """
    if devices == 1:
        return 1.0
    compute = flops / speed
    moved = 2 * (devices - 1) / devices * 4 * parameters / bandwidth
    rounds = 2 * (devices - 1).bit_length() * latency
    return compute / (compute + moved + rounds)


def passes(steps: int) -> int:
    """What a PGD step costs in forward passes: 2 per attack step, 3 for the update."""
    return 2 * steps + 3


def work(rank: int, places: list[str], steps: int) -> None:
    """One worker; prints the seconds of its steps."""
    if len(places) > 1:
        workers = [f"127.0.0.1:{port}" for port in places]
        task = {"type": "worker", "index": rank}
        cluster = {"cluster": {"worker": workers}, "task": task}
        os.environ["TF_CONFIG"] = json.dumps(cluster)
    import keras
    import numpy as np
    import tensorflow as tf

    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    import keras_mpat as mpat

    class Times(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            ends.append(time.perf_counter())

    ends: list[float] = []
    ball = mpat.Linf("8/255")
    with strategy.scope():
        pgd = mpat.training.PGDTraining(ball, steps=ATTACK_STEPS)
        net = mpat.models.resnet18(10, width=16)
        model = mpat.AdversarialModel(net, strategy=pgd)
        model.compile(keras.optimizers.SGD(0.01, momentum=0.9))
    rng = np.random.default_rng(0)
    count = BATCH * len(places)
    x = rng.uniform(size=(count * steps, 32, 32, 3)).astype("float32")
    y = rng.integers(0, 10, count * steps)
    options = {"batch_size": count, "verbose": 0, "shuffle": False}
    model.fit(x, y, callbacks=[Times()], **options)
    seconds = np.diff(ends)[2:].tolist()
    print(json.dumps({"seconds": seconds}), flush=True)


def measure(together: int, apart: int, steps: int) -> float:
    """Median seconds of a step of the first worker.

    Args:
        together: workers of its training.
        apart: trainings of one worker each beside it.
        steps: that are timed, and three before.
    """
    numbers = ",".join(map(str, ports.free(together)))
    given = [(str(rank), numbers) for rank in range(together)]
    given += [("0", "alone")] * apart
    threads = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
    processes = [
        subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.benchmarks.scaling", "--worker"),
                *(*each, "--steps", str(steps)),
            ],
            env=os.environ | threads | {"TF_CPP_MIN_LOG_LEVEL": "3"},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for each in given
    ]
    told = [process.communicate()[0] for process in processes]
    return statistics.median(json.loads(told[0].splitlines()[-1])["seconds"])


def modelled() -> list[dict]:
    """ResNet-18 of width 64, batch 128 per device, in bfloat16."""
    assumed = {"parameters": 11.2e6, "speed": 250e12, "latency": 1e-5}
    flops = 2 * 0.5567e9 * 128
    rows = []
    for devices in (8, 16, 64, 256, 512):
        # NVLink within a machine of eight; beyond it, 400 Gbit/s per device.
        assumed["bandwidth"] = 450e9 if devices <= 8 else 50e9
        row = {"devices": devices}
        for name, count in (("pgd7", passes(7)), ("fast", passes(1)), ("clean", 3)):
            row[name] = round(efficiency(devices, flops=flops * count, **assumed), 3)
        rows.append(row | assumed)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--worker", nargs=2, metavar=("RANK", "PORTS"))
    parser.add_argument("--write", type=Path, help="folder for the figures")
    given = parser.parse_args()
    if given.worker:
        rank, places = given.worker
        work(int(rank), places.split(","), given.steps + 3)
        return
    cases = {"alone": (1, 0), "beside another": (1, 1), "two together": (2, 0)}
    seconds = {name: measure(*counts, given.steps) for name, counts in cases.items()}
    found = {
        "seconds_per_step": seconds,
        "efficiency": seconds["beside another"] / seconds["two together"],
        "modelled": modelled(),
    }
    text = json.dumps(found, indent=1) + "\n"
    if given.write:
        given.write.mkdir(parents=True, exist_ok=True)
        (given.write / "scaling.json").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
