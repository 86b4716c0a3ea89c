"""Learning-rate schedules against their closed forms."""

import json

import keras
import numpy as np
import pytest
from keras import ops

from keras_mpat.schedules import CyclicLearningRate, StepDecay


def values(schedule, steps):
    return [float(schedule(step)) for step in steps]


def test_cyclic_vector():
    schedule = CyclicLearningRate(0.001, 0.2, 10)
    up = [0.001, 0.0408, 0.0806, 0.1204, 0.1602]
    expected = [*up, 0.2, *reversed(up), 0.001, 0.001]
    np.testing.assert_allclose(values(schedule, range(13)), expected, rtol=1e-5)


@pytest.mark.parametrize("total", [1, 7, 390 * 15])
def test_cyclic_is_linear_and_symmetric(total):
    schedule = CyclicLearningRate(minimum=0.01, maximum=0.4, total_steps=total)
    steps = np.arange(total + 1)
    oracle = np.interp(steps, [0, total / 2, total], [0.01, 0.4, 0.01])
    got = ops.convert_to_numpy(schedule(ops.convert_to_tensor(steps)))
    np.testing.assert_allclose(got, oracle, rtol=1e-4)


def test_step_decay_of_the_paper():
    """0.1 for 30 epochs, then a tenth every 30: 120 epochs of 390 steps."""
    schedule = StepDecay(0.1, drop_every=30, steps_per_epoch=390)
    steps = [0, 30 * 390 - 1, 30 * 390, 60 * 390 - 1, 60 * 390, 90 * 390]
    expected = [0.1, 0.1, 0.01, 0.01, 0.001, 0.0001]
    np.testing.assert_allclose(values(schedule, steps), expected, rtol=1e-5)


@pytest.mark.parametrize(("replays", "passes"), [(8, 4), (4, 8), (1, 30), (64, 1)])
def test_step_decay_counts_replays(replays, passes):
    """Free drops every ceil(30 / N) passes of N updates on each batch."""
    schedule = StepDecay(
        1.0, drop_every=30, steps_per_epoch=11, factor=0.5, replays=replays
    )
    period = passes * 11 * replays
    for drop in (1, 2, 3):
        before, after = values(schedule, [drop * period - 1, drop * period])
        assert before == pytest.approx(0.5 ** (drop - 1))
        assert after == pytest.approx(0.5**drop)


def test_step_decay_is_exact_late_in_a_long_run():
    period = 30 * 5000
    schedule = StepDecay(1.0, drop_every=30, steps_per_epoch=5000, factor=0.5)
    before, after = values(schedule, [10 * period - 1, 10 * period])
    assert (before, after) == (0.5**9, 0.5**10)


@pytest.mark.parametrize(
    "schedule",
    [
        CyclicLearningRate(0.001, 0.2, 10),
        StepDecay(0.1, drop_every=30, steps_per_epoch=2, factor=0.2, replays=8),
    ],
)
def test_config_round_trip_inside_an_optimizer(schedule):
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(schedule)))
    copy = keras.saving.deserialize_keras_object(config)
    assert type(copy) is type(schedule)
    assert copy.get_config() == schedule.get_config() == vars(schedule)
    steps = range(0, 70, 3)
    assert values(copy, steps) == values(schedule, steps)
    optimizer = keras.optimizers.SGD(schedule)
    again = keras.optimizers.SGD.from_config(optimizer.get_config())
    assert float(again.learning_rate) == pytest.approx(float(schedule(0)))


@pytest.mark.parametrize(
    "schedule",
    [
        CyclicLearningRate(0.1, 1.0, 4),
        StepDecay(1.0, drop_every=1, steps_per_epoch=2, factor=0.5),
    ],
)
def test_fit_follows_the_schedule(schedule):
    """The update of step t uses the rate of step t: dL/db = 1 for every t."""
    layer = keras.layers.Dense(1, kernel_initializer="zeros")
    model = keras.Sequential([keras.Input((1,)), layer])
    optimizer = keras.optimizers.SGD(schedule)
    model.compile(optimizer, loss=lambda y, output: output)
    model.fit(np.zeros((5, 1)), np.zeros((5, 1)), batch_size=1, verbose=0)
    expected = -sum(values(schedule, range(5)))
    assert float(layer.bias[0]) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("build", "argument"),
    [
        (lambda: CyclicLearningRate(-0.1, 0.2, 10), "minimum"),
        (lambda: CyclicLearningRate(0.2, 0.1, 10), "maximum"),
        (lambda: CyclicLearningRate(0.1, 0.2, 0), "total_steps"),
        (lambda: CyclicLearningRate(0.1, 0.2, 10.5), "total_steps"),
        (lambda: StepDecay(0.0, drop_every=3, steps_per_epoch=2), "learning_rate"),
        (lambda: StepDecay(0.1, drop_every=0, steps_per_epoch=2), "drop_every"),
        (lambda: StepDecay(0.1, drop_every=3, steps_per_epoch=0), "steps_per_epoch"),
        (
            lambda: StepDecay(0.1, drop_every=3, steps_per_epoch=2, factor=10),
            "factor",
        ),
        (
            lambda: StepDecay(0.1, drop_every=3, steps_per_epoch=2, replays=0),
            "replays",
        ),
    ],
)
def test_errors_name_the_argument(build, argument):
    with pytest.raises(ValueError, match=f"`{argument}` must .*Received: .*{argument}"):
        build()
