"""How training grows: with attack steps, batch, classes, prototypes and data.

    python -m tests.benchmarks.growth [--repetitions 9] [--write results/throughput]

PGD training of LeNet 32/64/512 with a SoftTriple head on made-up digits. An axis
changes one size and leaves the others; its sizes take turns in one process, and each
round's ratio to the first size counts. A pipeline that makes its images as they are
asked for, in a process for each number of images, shows whether memory grows with data.
"""

import argparse
import multiprocessing
import resource
import time
from pathlib import Path

import numpy as np

from tests.benchmarks.medians import interval, keep, said

AXES = {
    "attack steps": (1, 2, 5, 10, 20, 40),
    "images per batch": (16, 32, 64, 128, 256, 512),
    "classes": (2, 10, 100, 1000),
    "prototypes per class": (1, 5, 20, 100),
}
USUAL = {
    "attack steps": 10,
    "images per batch": 128,
    "classes": 10,
    "prototypes per class": 10,
}
IMAGES = (2_000, 8_000, 32_000)


def build(sizes: dict[str, int], filters=(32, 64), units=512):
    """A compiled model of these sizes."""
    import keras

    import keras_mpat as mpat

    keras.utils.set_random_seed(0)
    classes, prototypes = sizes["classes"], sizes["prototypes per class"]
    model = mpat.AdversarialModel(
        mpat.models.lenet(classes, filters=filters, units=units),
        strategy=mpat.training.PGDTraining(mpat.Linf(0.3), steps=sizes["attack steps"]),
        head=mpat.SoftTripleHead(classes, prototypes_per_class=prototypes),
    )
    model.compile(keras.optimizers.SGD(0.01, momentum=0.9), metrics=["accuracy"])
    return model


def axis(name: str, repetitions: int) -> list[dict]:
    """A row per size: milliseconds of a step, and its ratio to the first size."""
    rng = np.random.default_rng(0)
    steps = {}
    for size in AXES[name]:
        sizes = USUAL | {name: size}
        count, classes = sizes["images per batch"], sizes["classes"]
        x = rng.random((count, 28, 28, 1), "float32")
        y = rng.integers(0, classes, count).astype("int32")
        model = build(sizes)
        for _ in range(3):
            model.train_on_batch(x, y)
        steps[size] = (model, x, y)
    seconds: dict[int, list[float]] = {size: [] for size in steps}
    for _ in range(repetitions):
        for size in rng.permutation(AXES[name]):
            model, x, y = steps[size]
            begun = time.perf_counter()
            model.train_on_batch(x, y)
            seconds[size].append(time.perf_counter() - begun)
    base = np.array(seconds[AXES[name][0]])
    return [
        {
            "size": size,
            "milliseconds": 1e3 * float(np.median(taken)),
            "over_first": interval(np.array(taken) / base),
        }
        for size, taken in seconds.items()
    ]


def stream(images: int) -> dict:
    """One epoch over so many images that nobody keeps: speed, and largest memory."""
    import tensorflow as tf

    sizes = USUAL | {"attack steps": 1}
    batch = sizes["images per batch"]

    def made(i):
        seed = tf.stack([i, 0])
        x = tf.random.stateless_uniform((28, 28, 1), seed)
        return x, tf.cast(i % sizes["classes"], tf.int32)

    data = tf.data.Dataset.range(images).map(made).batch(batch, drop_remainder=True)
    model = build(sizes, filters=(4, 8), units=32)
    model.fit(data.take(4), verbose=0)
    begun = time.perf_counter()
    model.fit(data.prefetch(2), verbose=0)
    taken = time.perf_counter() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    speed = images / taken
    return {"size": images, "images_per_second": speed, "peak_mib": round(peak)}


def table(found: dict) -> str:
    """Markdown."""
    lines = [
        "PGD training, LeNet 32/64/512, SoftTriple; "
        + ", ".join(f"{count} {name}" for name, count in USUAL.items())
        + f" unless said; {found['repetitions']} rounds."
    ]
    for name, rows in found["axes"].items():
        lines += ["", f"| {name} | ms a step | time over the first | size over it |"]
        lines += ["| --- | --- | --- | --- |"]
        for row in rows:
            times = row["size"] / rows[0]["size"]
            ratio = said(row["over_first"])
            ms = f"{row['milliseconds']:.1f}"
            lines.append(f"| {row['size']} | {ms} | {ratio} | {times:g} |")
    lines += ["", "| images of an epoch, streamed | images/s | peak MiB |"]
    lines += ["| --- | --- | --- |"]
    for row in found["data"]:
        speed = round(row["images_per_second"])
        lines.append(f"| {row['size']} | {speed} | {row['peak_mib']} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=9)
    parser.add_argument("--write", type=Path, help="folder for the figures")
    given = parser.parse_args()
    found: dict = {"repetitions": given.repetitions, "axes": {}, "data": []}
    alone = multiprocessing.get_context("spawn")
    for images in IMAGES:
        with alone.Pool(1) as pool:
            found["data"].append(pool.apply(stream, (images,)))
    for name in AXES:
        found["axes"][name] = axis(name, given.repetitions)
    if given.write:
        keep(given.write, "growth", found, table(found))
    print(table(found))


if __name__ == "__main__":
    main()
