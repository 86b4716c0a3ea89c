"""What a head adds to a PGD training step: ResNet-18 of width 16 on CIFAR's shapes.

    python -m tests.benchmarks.head_cost [--pairs 30] [--batch_size 64] [--head NAME]

In each pair a step without a head and one with it take turns, in one process with the
same threads, in an order that alternates. The ratio of each pair counts; median and
95 % bootstrap interval are printed. Goal: SoftTriple with K = 10 at most 2 % more.
"""

import argparse
import json
import time

import keras
import numpy as np

import keras_mpat as mpat
from tests.benchmarks.medians import interval

CLASSES, GOAL = 10, 1.02
BALL = mpat.Linf("8/255")
HEADS = {
    "SoftTriple, K = 1": lambda: mpat.SoftTripleHead(CLASSES, prototypes_per_class=1),
    "SoftTriple, K = 10": lambda: mpat.SoftTripleHead(CLASSES),
    "Proxy-NCA": lambda: mpat.ProxyNCAHead(CLASSES),
    "Proxy-Anchor": lambda: mpat.ProxyAnchorHead(CLASSES),
    "N-pair": mpat.NPairHead,
    "triplet": mpat.TripletHead,
    "triplet, random": lambda: mpat.TripletHead(negatives="random"),
    "logit pairing": None,
}


def build(name: str | None) -> mpat.AdversarialModel:
    """A compiled model, with the head of this name or without one."""
    kind = mpat.training.PGDTraining
    if name == "logit pairing":
        kind = mpat.training.LogitPairingTraining
    make = HEADS.get(name)
    model = mpat.AdversarialModel(
        mpat.models.resnet18(CLASSES, width=16),
        strategy=kind(BALL, steps=7, step_size="2/255"),
        head=make and make(),
    )
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), metrics=["accuracy"])
    return model


def measure(name: str, plain, *, pairs: int, batch_size: int) -> dict:
    """Seconds of each step in turn, and the ratio of each pair."""
    rng = np.random.default_rng(0)
    x = rng.random((batch_size, 32, 32, 3), "float32")
    y = (np.arange(batch_size) % CLASSES).astype("int32")
    with_head = build(name)
    for model in (plain, with_head):
        for _ in range(3):
            model.train_on_batch(x, y)
    seconds: dict[str, list[float]] = {"plain": [], "head": []}
    for pair in range(pairs):
        turns = [("plain", plain), ("head", with_head)]
        for key, model in turns if pair % 2 else reversed(turns):
            start = time.perf_counter()
            model.train_on_batch(x, y)
            seconds[key].append(time.perf_counter() - start)
    ratios = np.array(seconds["head"]) / np.array(seconds["plain"])
    ratio, low, high = interval(ratios)
    return {
        "milliseconds": {key: 1e3 * float(np.median(s)) for key, s in seconds.items()},
        "ratio": ratio,
        "interval": [low, high],
        "pairs": pairs,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=30)
    parser.add_argument("--batch_size", type=int, default=64)
    parser.add_argument("--head", action="append", choices=list(HEADS))
    arguments = parser.parse_args()
    plain, results = build(None), {}
    for name in arguments.head or HEADS:
        found = measure(
            name, plain, pairs=arguments.pairs, batch_size=arguments.batch_size
        )
        results[name] = found
        low, high = found["interval"]
        print(f"{name}: {found['ratio']:.3f} ({low:.3f}-{high:.3f})", flush=True)
    print(json.dumps({"goal of SoftTriple, K = 10": GOAL, **results}, indent=1))


if __name__ == "__main__":
    main()
