"""Random shapes, classes, prototypes, radii, dtypes: promises hold, or an error tells.

Each example is accepted, and the invariants of its family hold, or refused with the
documented error: a ValueError that names the argument and what was received. One draw
in thirty of an argument is wrong on purpose.
"""

import re
import warnings
from collections import Counter

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from keras import layers, ops

import keras_mpat as mpat
from keras_mpat import attacks, training

DOCUMENTED = re.compile(r"`[^`]+`.*Received: .*\. \S", re.DOTALL)
FEWER, MORE = 1, 40  # times the examples of a family
NAN, INFINITE = float("nan"), float("inf")
SEEDS = st.integers(0, 2**31 - 1)


def mostly(good, *bad):
    """Draws of `good`, and now and then one of `bad`."""
    return st.integers(0, 29).flatmap(
        lambda draw: st.sampled_from(bad) if draw == 17 else good
    )


def _examine(capsys, family, arguments, check, count):
    """Checks `count` examples; prints how many were accepted."""
    seen: Counter = Counter()

    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],  # no search for a smaller failure: it takes minutes
        suppress_health_check=list(HealthCheck),
    )
    @given(st.fixed_dictionaries(arguments))
    def run(given):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # of few examples
                check(**given)
        except ValueError as error:
            assert DOCUMENTED.search(str(error)), error
            seen["refused"] += 1
        else:
            seen["accepted"] += 1

    run()
    keras.backend.clear_session()
    total = sum(seen.values())
    with capsys.disabled():
        print(f"\n{family}: {total} examples, {dict(seen)}")
    assert total >= count
    assert seen["accepted"] >= 0.7 * total


TIMES = pytest.mark.parametrize(
    "times", [FEWER, pytest.param(MORE, marks=pytest.mark.slow)]
)

ATTACKS = {
    "FGSM": lambda ball, steps: attacks.FGSM(ball),
    "RFGSM": lambda ball, steps: attacks.RFGSM(ball),
    "BIM": lambda ball, steps: attacks.BIM(ball, steps=steps),
    "PGD": lambda ball, steps: attacks.PGD(ball, steps=steps, restarts=2),
    "MIM": lambda ball, steps: attacks.MIM(ball, steps=steps),
    "CW": lambda ball, steps: attacks.CW(ball, steps=steps),
    "APGD": lambda ball, steps: attacks.APGD(ball, steps=steps),
    "FAB": lambda ball, steps: attacks.FAB(ball, steps=steps),
    "FMN": lambda ball, steps: attacks.FMN(ball, steps=steps),
    "Square": lambda ball, steps: attacks.Square(ball, queries=steps),
    "RandomNoise": lambda ball, steps: attacks.RandomNoise(ball),
}
SHAPES = st.one_of(
    st.tuples(st.integers(1, 6)),
    st.tuples(st.integers(1, 5), st.integers(1, 5), st.integers(1, 3)),
)
BOUNDS = st.tuples(st.floats(-2, 0), st.floats(0.5, 2))
EPSILONS = st.floats(2**-10, 0.5)


def _attack(norm, epsilon, bounds, kind, steps, shape, classes, batch, dtype, seed):
    rng = np.random.default_rng(seed)
    attack = ATTACKS[kind](norm(epsilon, bounds=bounds), steps)
    x = rng.uniform(*bounds, (batch, *shape)).astype(dtype)
    y = rng.integers(0, classes, batch)
    weights = rng.normal(size=(int(np.prod(shape)), classes)).astype("float32")

    def logits_fn(inputs):
        flat = ops.reshape(inputs, (-1, len(weights)))
        return 3 * ops.tanh(ops.matmul(flat, weights))

    found, again = (
        ops.convert_to_numpy(attack(logits_fn, x, y, seed=seed)) for _ in range(2)
    )
    np.testing.assert_array_equal(found, again)
    assert found.shape == x.shape and found.dtype == np.float32
    assert np.all(np.isfinite(found))
    low, high = np.float32(bounds)
    assert found.min() >= low and found.max() <= high
    change = np.abs(found - x.astype("float32")).reshape(batch, -1)
    size = change.max(axis=1) if norm is mpat.Linf else np.sqrt((change**2).sum(axis=1))
    assert size.max() <= epsilon * (1 + 1e-5) + 1e-6


@TIMES
def test_attacks_stay_in_the_ball_and_the_box(times, capsys):
    arguments = {
        "norm": st.sampled_from((mpat.Linf, mpat.L2)),
        "epsilon": mostly(EPSILONS, 0.0, -0.1, NAN, INFINITE),
        "bounds": mostly(BOUNDS, (1.0, 0.0), (0.0, 0.0), (0.0, NAN)),
        "kind": st.sampled_from(sorted(ATTACKS)),
        "steps": mostly(st.integers(1, 4), 0, -1),
        "shape": SHAPES,
        "classes": st.integers(2, 6),
        "batch": st.integers(1, 5),
        "dtype": st.sampled_from(("float32", "float64", "float16", "int32")),
        "seed": SEEDS,
    }
    _examine(capsys, "attacks", arguments, _attack, 20 * times)


def _prototypes(classes, many, **options):
    return mpat.SoftTripleHead(classes, prototypes_per_class=many, **options)


HEADS = {
    "soft_triple": _prototypes,
    "proxy_nca": lambda classes, many, **options: mpat.ProxyNCAHead(classes),
    "proxy_anchor": lambda classes, many, **options: mpat.ProxyAnchorHead(classes),
}


def _head(kind, classes, many, tau, gamma, features, batch, factor, dtype, seed):
    keras.utils.set_random_seed(seed)
    rng = np.random.default_rng(seed)
    head = HEADS[kind](classes, many, tau=tau, gamma=gamma)
    x = rng.normal(size=(batch, features)).astype(dtype)
    y = rng.integers(0, classes, batch)
    loss = head.loss()

    def value(x, y):
        return float(loss(y, head(x)))

    found = value(x, y)
    assert np.isfinite(found) and np.isfinite(float(head.regularization()))
    assert tuple(head(x).shape) == (batch, classes)
    order = rng.permutation(batch)
    assert value(x[order], y[order]) == pytest.approx(found, rel=1e-4, abs=1e-4)
    # Embeddings are normalized: their length has no say.
    longer = x.astype("float32") * factor
    shorter = pytest.approx(value(x.astype("float32"), y), rel=1e-3, abs=1e-3)
    assert value(longer, y) == shorter
    for weight in head.weights:
        assert np.all(np.isfinite(ops.convert_to_numpy(weight)))


@TIMES
def test_heads_are_finite_and_blind_to_order_and_length(times, capsys):
    one_each = st.tuples(*[st.integers(1, 4)] * 3)
    arguments = {
        "kind": st.sampled_from(sorted(HEADS)),
        "classes": mostly(st.integers(2, 8), 1, 0, -3, 2.5),
        "many": mostly(st.integers(1, 6), 0, -1, 1.5, (1, 2), "many") | one_each,
        "tau": mostly(st.floats(0, 2), -0.1, NAN),
        "gamma": mostly(st.floats(0.01, 2), 0.0, -1.0, NAN),
        "features": st.integers(2, 9),
        "batch": st.integers(1, 9),
        "factor": st.floats(0.1, 30),
        "dtype": st.sampled_from(("float32", "float64", "float16")),
        "seed": SEEDS,
    }
    _examine(capsys, "heads", arguments, _head, 25 * times)


STRATEGIES = {
    "standard": lambda ball, batch: training.StandardTraining(),
    "pgd": lambda ball, batch: training.PGDTraining(ball, steps=2),
    "fast": lambda ball, batch: training.FastTraining(ball),
    "free": lambda ball, batch: training.FreeTraining(
        ball, replays=2, batch_size=batch
    ),
    "trades": lambda ball, batch: training.TRADESTraining(ball, steps=1),
    "logit_pairing": lambda ball, batch: training.LogitPairingTraining(ball, steps=1),
}


def _net(shape, classes, batch_norm):
    middle = [layers.BatchNormalization()] if batch_norm else []
    parts = [layers.Flatten(), layers.Dense(5), *middle, layers.ReLU()]
    return keras.Sequential([keras.Input(shape), *parts, layers.Dense(classes)])


def _strategy(kind, epsilon, shape, classes, batch, many, batch_norm, weight, seed):
    keras.utils.set_random_seed(seed)
    rng = np.random.default_rng(seed)
    ball = mpat.Linf(epsilon)
    head = mpat.SoftTripleHead(classes, prototypes_per_class=many) if many else None
    model = mpat.AdversarialModel(
        _net(shape, classes, batch_norm),
        strategy=STRATEGIES[kind](ball, batch),
        head=head,
        head_weight=weight,
        validation_attack=attacks.FGSM(ball),
    )
    model.compile(keras.optimizers.SGD(0.01), metrics=["accuracy"], run_eagerly=True)
    x = rng.uniform(0, 1, (2 * batch, *shape)).astype("float32")
    y = rng.integers(0, classes, 2 * batch)
    logs = model.fit(
        x, y, batch_size=batch, epochs=1, verbose=0, validation_data=(x, y)
    ).history
    assert all(np.isfinite(row).all() for row in logs.values())
    assert logs["val_robust_accuracy"][0] <= logs["val_accuracy"][0] + 1e-6
    assert all(np.isfinite(ops.convert_to_numpy(w)).all() for w in model.weights)
    logits = model.predict(x, verbose=0)
    assert logits.shape == (2 * batch, classes)
    steps = int(ops.convert_to_numpy(model.optimizer.iterations))
    assert steps == 2 * (2 if kind == "free" else 1)


@TIMES
def test_strategies_train_to_finite_weights(times, capsys):
    arguments = {
        "kind": st.sampled_from(sorted(STRATEGIES)),
        "epsilon": mostly(EPSILONS, 0.0, -0.1, NAN),
        "shape": SHAPES,
        "classes": st.integers(2, 5),
        "batch": st.integers(1, 6),
        "many": mostly(st.none() | st.integers(1, 4), -1, 1.5),
        "batch_norm": st.booleans(),
        "weight": mostly(st.floats(0, 2), -1.0, NAN),
        "seed": SEEDS,
    }
    _examine(capsys, "strategies", arguments, _strategy, 8 * times)
