"""What every head that compares examples promises, on each backend."""

import keras
import numpy as np
import pytest

import keras_mpat as mpat
from keras_mpat import training
from tests import toy
from tests.contracts.heads_table import PAIR_HEADS

pytestmark = pytest.mark.parametrize("make", PAIR_HEADS.values(), ids=PAIR_HEADS.keys())

X, Y = toy.data(12)
PGD = training.PGDTraining(mpat.Linf(0.1), steps=2)


def test_trains_saves_and_continues(make, tmp_path):
    model = toy.model(PGD, head=make())
    history = model.fit(X, Y, batch_size=6, epochs=6, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]
    assert np.all(np.isfinite(history["head_loss"]))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.head.get_config() == model.head.get_config()
    for each in (model, loaded):
        each.fit(X, Y, batch_size=6, epochs=1, verbose=0, shuffle=False)
    toy.assert_same(toy.values(loaded.variables), toy.values(model.variables))


@pytest.mark.one_backend
def test_weight_zero_is_no_head(make):
    plain, zero = toy.model(PGD), toy.model(PGD, head=make(), head_weight=0.0)
    for model in (plain, zero):
        model.train_on_batch(X, Y)
    toy.assert_same(
        toy.values(plain.classifier.variables), toy.values(zero.classifier.variables)
    )


@pytest.mark.one_backend
def test_a_partial_last_batch_and_weights(make):
    """The one training of this file in a compiled graph."""
    model = toy.model(PGD, head=make(), eager=False)
    weights = np.linspace(0, 2, len(X)).astype("float32")
    history = model.fit(X, Y, sample_weight=weights, batch_size=8, epochs=2, verbose=0)
    assert np.all(np.isfinite(history.history["loss"]))


def test_trains_the_embedding_with_free_training(make):
    strategy = training.FreeTraining(mpat.Linf(0.1), replays=2, batch_size=12)
    models = [toy.model(strategy, head=make(), head_weight=w) for w in (1e-9, 5.0)]
    for model in models:
        model.train_on_batch(X, Y)
    kernels = [toy.values(model.classifier.trainable_variables)[0] for model in models]
    assert np.abs(kernels[0] - kernels[1]).max() > 1e-3


def test_replace_head_refuses_it(make):
    with pytest.raises(ValueError, match="must give one score per class.*Head"):
        mpat.replace_head(toy.net(), make())
