"""What was tried to make a training step faster, each beside the step as it is.

    python -m tests.benchmarks.choices [--repetitions 9] [--write results/throughput]

Epochs of PGD training through `fit` take turns in one process, a new order in each
round; the ratio of each round to the step as it is counts. A choice that cannot run
here has a row that says why. On TensorFlow.
"""

import argparse
import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import keras
import numpy as np
import tensorflow as tf

import keras_mpat as mpat
from keras_mpat import backend, pipelines
from tests.benchmarks.contenders import WORKLOADS, Workload, keras_net
from tests.benchmarks.medians import interval, keep, said

USUAL = "as it is"
BATCHES = {"lenet": 16, "resnet18": 4}


def with_weight_gradients(objective, x):
    """`backend.input_gradient` that also works out what no attack needs."""
    with tf.GradientTape(persistent=False) as tape:
        tape.watch(x)
        values, auxiliary = objective(x)
        total = tf.reduce_sum(values)
    gradient, *others = tape.gradient(total, [x, *tape.watched_variables()])
    # Too small to change a step, too present to be left out by the graph's optimizer.
    kept = sum(tf.reduce_sum(each) for each in others if each is not None)
    return gradient + 1e-30 * kept, values, auxiliary


@contextlib.contextmanager
def channels_first() -> Iterator[None]:
    """Layers built here take (C, H, W)."""
    before = keras.config.image_data_format()
    keras.config.set_image_data_format("channels_first")
    try:
        yield
    finally:
        keras.config.set_image_data_format(before)


def patched(name: str, value) -> Callable:
    """Another function of the backend, while the step is traced."""
    return lambda: mock.patch.object(backend, name, value)


NOTHING = contextlib.nullcontext
# name: (options of the strategy, of compile, how it is traced, how data come)
CHOICES: dict[str, tuple[dict, dict, Callable, str]] = {
    USUAL: ({}, {}, NOTHING, "stream"),
    "weight gradients in the attack": (
        {},
        {},
        patched("input_gradient", with_weight_gradients),
        "stream",
    ),
    "unrolled loop": ({}, {}, patched("_plain_loop", lambda *_: True), "stream"),
    "XLA": ({}, {"jit_compile": True}, NOTHING, "stream"),
    "XLA, loop kept": (
        {},
        {"jit_compile": True},
        patched("_plain_loop", lambda *_: False),
        "stream",
    ),
    "BatchNorm folded in the attack": (
        {"attack_dtype": "float32"},
        {},
        NOTHING,
        "stream",
    ),
    "attack in bfloat16": ({"attack_dtype": "bfloat16"}, {}, NOTHING, "stream"),
    "steps_per_execution=4": ({}, {"steps_per_execution": 4}, NOTHING, "stream"),
    "channels first": ({}, {}, channels_first, "stream"),
    "no prefetching": ({}, {}, NOTHING, "plain"),
    "tf.data's tuner": ({}, {}, NOTHING, "tuned"),
    "arrays": ({}, {}, NOTHING, "arrays"),
}


def epoch_of(name: str, work: Workload, batches: int) -> Callable[[], float]:
    """Trains one epoch of a choice when called; its seconds.

    Raises:
        Exception: whatever stops it here.
    """
    strategy, options, traced, kind = CHOICES[name]
    keras.utils.set_random_seed(0)
    x, y = dataclasses.replace(work, batches=batches).data()
    with traced():
        model = mpat.AdversarialModel(
            keras_net(work, _shape(work)),
            strategy=mpat.training.PGDTraining(
                mpat.Linf(work.epsilon),
                steps=work.steps,
                step_size=work.step_size,
                **strategy,
            ),
            head=mpat.SoftTripleHead(10),
        )
        sgd = keras.optimizers.SGD(0.01, momentum=0.9)
        model.compile(sgd, metrics=["accuracy"], **options)
        if keras.config.image_data_format() == "channels_first":
            x = np.ascontiguousarray(np.moveaxis(x, -1, 1))
        data = _data(x, y, work.batch, kind)
        model.fit(**data, epochs=2, verbose=0)

    def epoch() -> float:
        begun = time.perf_counter()
        model.fit(**data, verbose=0)
        return time.perf_counter() - begun

    return epoch


def _shape(work: Workload) -> tuple[int, ...]:
    if keras.config.image_data_format() == "channels_first":
        return (work.shape[-1], *work.shape[:-1])
    return work.shape


def _data(x, y, batch: int, kind: str) -> dict:
    if kind == "arrays":
        return {"x": x, "y": y, "batch_size": batch, "shuffle": False}
    data = tf.data.Dataset.from_tensor_slices((x, y)).batch(batch)
    if kind == "tuned":
        return {"x": data.prefetch(pipelines.AHEAD)}
    data = data if kind == "plain" else data.prefetch(pipelines.AHEAD)
    return {"x": pipelines.untuned(data)}


def measure(workload: str, repetitions: int, chosen=tuple(CHOICES)) -> list[dict]:
    """A row per choice, in their order."""
    work, batches = WORKLOADS[workload], BATCHES[workload]
    running, failed = {}, {}
    for name in chosen:
        print(f"{workload}: {name}", flush=True)
        try:
            running[name] = epoch_of(name, work, batches)
        except Exception as error:  # the row says what stopped it
            last = str(error).strip().splitlines()
            failed[name] = f"{type(error).__name__}: {last[0] if last else ''}"[:160]
    rng = np.random.default_rng(0)
    seconds: dict[str, list[float]] = {name: [] for name in running}
    for _ in range(repetitions):
        for name in rng.permutation(list(running)):
            seconds[name].append(running[name]())
    base = np.array(seconds[USUAL])
    return [
        {"choice": name, "failed": failed[name]}
        if name in failed
        else {
            "choice": name,
            "milliseconds": 1e3 * float(np.median(seconds[name])) / batches,
            "speed": interval(base / np.array(seconds[name])),
        }
        for name in chosen
    ]


def table(found: dict) -> str:
    """Markdown."""
    lines = [f"Speed over the step {USUAL!r}, {found['repetitions']} rounds."]
    for title, rows in found["workloads"].items():
        lines += ["", f"**{title}**", "", "| choice | ms a step | times as fast |"]
        lines += ["| --- | --- | --- |"]
        for row in rows:
            if "failed" in row:
                lines.append(f"| {row['choice']} | failed: {row['failed']} | |")
                continue
            speed = said(row["speed"])
            lines.append(f"| {row['choice']} | {row['milliseconds']:.0f} | {speed} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=9)
    parser.add_argument("--write", type=Path, help="folder for the figures")
    given = parser.parse_args()
    found: dict = {"repetitions": given.repetitions, "workloads": {}}
    for name in BATCHES:
        title = WORKLOADS[name].title
        found["workloads"][title] = measure(name, given.repetitions)
        if given.write:
            keep(given.write, "choices", found, table(found))
    print(table(found))


if __name__ == "__main__":
    main()
