"""A saved model with dropout goes on with the noise it would have drawn."""

import keras
import numpy as np

import keras_mpat as mpat


def _model():
    keras.utils.set_random_seed(0)
    classifier = keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Dense(16, activation="relu"),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(2),
        ]
    )
    strategy = mpat.training.PGDTraining(mpat.Linf(0.1), steps=2)
    model = mpat.AdversarialModel(classifier, strategy=strategy)
    model.compile(keras.optimizers.SGD(0.1))
    return model


def test_training_with_dropout_continues_exactly(tmp_path):
    rng = np.random.default_rng(0)
    x, y = rng.random((64, 6)).astype("float32"), rng.integers(0, 2, 64)
    options = {"x": x, "y": y, "shuffle": False, "verbose": 0}
    whole, half = _model(), _model()
    whole.fit(epochs=3, **options)
    half.fit(epochs=2, **options)
    half.save(tmp_path / "half.keras")
    resumed = keras.saving.load_model(tmp_path / "half.keras")
    resumed.fit(initial_epoch=2, epochs=3, **options)
    weights = (model.classifier.get_weights() for model in (whole, resumed))
    for mine, other in zip(*weights, strict=True):
        np.testing.assert_array_equal(mine, other)
