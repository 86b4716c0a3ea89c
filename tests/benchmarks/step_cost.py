"""Cost of a PGD-10 training step through `fit`, over the sum of its parts.

    python -m tests.benchmarks.step_cost [--repetitions 15] [--steps 20]

parts = 10 compiled forward + input-gradient passes + one plain Keras training step, in
the same process with the same threads. The contenders take turns; the ratio of each
round counts, the median and its 95 % bootstrap interval are printed. LeNet 32/64/512,
batch 128, as in the goal of at most 1.10.
"""

import argparse
import json
import time

import keras
import numpy as np

import keras_mpat
from keras_mpat import backend
from tests.benchmarks.medians import interval

BATCH, ATTACK_STEPS, GOAL = 128, 10, 1.10


def build():
    """(adversarial model, plain model) of the same net, compiled alike."""
    models = []
    for adversarial in (True, False):
        net = keras_mpat.models.lenet(10, filters=(32, 64), units=512)
        if adversarial:
            pgd = keras_mpat.training.PGDTraining(
                keras_mpat.Linf(0.3), steps=ATTACK_STEPS
            )
            model = keras_mpat.AdversarialModel(net, strategy=pgd)
            model.compile("sgd", metrics=["accuracy"])
        else:
            model = net
            loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
            model.compile("sgd", loss, metrics=["accuracy"], jit_compile=False)
        models.append(model)
    return models


def input_gradient_pass(net):
    """One compiled forward pass and gradient with respect to the input."""

    def one_pass(x, y):
        def goal(z):
            logits = net(z, training=False)
            return keras_mpat.objectives.CrossEntropy()(y, logits), logits

        return backend.input_gradient(goal, x)[0]

    return backend.function(one_pass)


def seconds(call) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def measure(repetitions: int, steps: int) -> dict:
    """Interleaved rounds; milliseconds per step and the ratio of each round."""
    rng = np.random.default_rng(0)
    x = rng.random((BATCH * steps, 28, 28, 1), "float32")
    y = rng.integers(0, 10, BATCH * steps).astype("int32")
    adversarial, plain = build()
    one_pass = input_gradient_pass(plain)
    batches = [
        (
            keras.ops.convert_to_tensor(x[i * BATCH : (i + 1) * BATCH]),
            keras.ops.convert_to_tensor(y[i * BATCH : (i + 1) * BATCH]),
        )
        for i in range(steps)
    ]

    def passes():
        for images, labels in batches:
            for _ in range(ATTACK_STEPS):
                gradient = one_pass(images, labels)
        keras.ops.convert_to_numpy(gradient)

    options = {"batch_size": BATCH, "verbose": 0, "shuffle": False}
    contenders = {
        "adversarial": lambda: adversarial.fit(x, y, **options),
        "passes": passes,
        "plain": lambda: plain.fit(x, y, **options),
    }
    for call in contenders.values():
        call()
    rounds = [
        {name: seconds(call) / steps for name, call in contenders.items()}
        for _ in range(repetitions)
    ]
    ratios = [r["adversarial"] / (r["passes"] + r["plain"]) for r in rounds]
    medians = {
        name: 1e3 * float(np.median([r[name] for r in rounds])) for name in contenders
    }
    return {"milliseconds_per_step": medians, "ratios": ratios}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=15)
    parser.add_argument("--steps", type=int, default=20)
    arguments = parser.parse_args()
    result = measure(arguments.repetitions, arguments.steps)
    result["ratio"], *result["interval"] = interval(np.array(result["ratios"]))
    result["goal"] = GOAL
    print(json.dumps(result, indent=1))
    low, high = result["interval"]
    print(
        f"PGD-10 step through fit / its parts: {result['ratio']:.3f} "
        f"({low:.3f}-{high:.3f}), goal <= {GOAL}"
    )


if __name__ == "__main__":
    main()
