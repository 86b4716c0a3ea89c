"""Attacks only read the model, and ask for it as rarely in long loops as in short."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_mpat as mpat
from keras_mpat import attacks, backend
from keras_mpat.threat_models import Linf
from tests.contracts.attacks_table import (
    CASES,
    IDS,
    build,
    labels,
    random_images,
)

SHAPE = (8, 8, 1)


def _numpy(tensor):
    return ops.convert_to_numpy(tensor)


@pytest.fixture(scope="module")
def model():
    """A model with moving averages and a generator, as attacks see it in training."""
    keras.utils.set_random_seed(0)
    classifier = keras.Sequential(
        [
            keras.Input(SHAPE),
            keras.layers.Conv2D(2, 3, strides=3),
            keras.layers.BatchNormalization(momentum=0.5),
            keras.layers.Dropout(0.4),
            keras.layers.Flatten(),
            keras.layers.Dense(10),
        ]
    )
    return mpat.AdversarialModel(classifier, strategy=mpat.training.StandardTraining())


def _state(model):
    return [np.array(_numpy(variable.value)) for variable in model.variables]


@pytest.mark.parametrize("norm_mode", ["eval", "batch_stats"])
@pytest.mark.parametrize(
    ("row", "norm"),
    [case for case in CASES if case[1].ball is case[0].norms[0]],
    ids=[
        n
        for n, case in zip(IDS, CASES, strict=True)
        if case[1].ball is case[0].norms[0]
    ],
)
def test_no_model_variable_changes(row, norm, norm_mode, model):
    before = _state(model)
    kinds = {variable.path.split("/")[-1] for variable in model.variables}
    assert {"moving_mean", "moving_variance", "seed_generator_state"} <= kinds
    x = random_images()
    result = build(row, norm)(model.logits_fn(norm_mode), x, labels(), seed=0)
    assert not np.array_equal(_numpy(result), x)
    for old, new in zip(before, _state(model), strict=True):
        np.testing.assert_array_equal(new, old)


@pytest.mark.skipif(
    backend.NAME == "jax", reason="JAX keeps state only inside a StatelessScope"
)
def test_train_mode_moves_the_averages_and_the_generator(model):
    before = _state(model)
    attacks.FGSM(Linf(0.1))(model.logits_fn("train"), random_images(), labels())
    changed = {
        variable.path.split("/")[-1]
        for variable, old, new in zip(
            model.variables, before, _state(model), strict=True
        )
        if not np.array_equal(new, old)
    }
    assert changed == {"moving_mean", "moving_variance", "seed_generator_state"}


@pytest.mark.skipif(backend.NAME != "tensorflow", reason="counts traces of tf.function")
@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (attacks.PGD, {}),
        (attacks.PGD, {"restarts": 3, "freeze": True}),
        (attacks.BIM, {}),
        (attacks.MIM, {}),
        (attacks.CW, {"restarts": 3}),
        (attacks.FAB, {"restarts": 2}),
        (attacks.FAB, {"target_classes": None}),
    ],
)
def test_hundred_steps_trace_the_model_as_often_as_one(kind, fields, digits):
    logits_fn, x, y = digits

    def traces(steps):
        calls = []

        def counted(x):
            calls.append(1)
            return logits_fn(x)

        attack = kind(Linf(0.1), steps=steps, **fields)
        compiled = backend.function(lambda x, y: attack(counted, x, y, 0))
        compiled(ops.convert_to_tensor(x[:2]), ops.convert_to_tensor(y[:2]))
        return len(calls)

    assert traces(100) == traces(1) >= 1
