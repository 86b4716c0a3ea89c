"""SmoothedCrossentropy against Keras' loss of one-hot labels, and in training."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_mpat.losses import SmoothedCrossentropy
from keras_mpat.training import StandardTraining
from tests import toy

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(6, 4)).astype("float32") * 3
LABELS = RNG.integers(0, 4, 6)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("form", ["ids", "floats", "column", "one-hot"])
def test_it_is_the_loss_of_keras(share, form):
    one_hot = keras.utils.to_categorical(LABELS, 4)
    y = {
        "ids": LABELS,
        "floats": LABELS.astype("float32"),
        "column": LABELS[:, None],
        "one-hot": one_hot,
    }[form]
    weights = np.arange(6.0)
    for reduction in ("sum_over_batch_size", "none"):
        own = SmoothedCrossentropy(share, reduction=reduction)
        keras_own = keras.losses.CategoricalCrossentropy(
            from_logits=True, label_smoothing=share, reduction=reduction
        )
        found = own(y, LOGITS, sample_weight=weights)
        expected = keras_own(one_hot, LOGITS, sample_weight=weights)
        np.testing.assert_allclose(
            *map(ops.convert_to_numpy, (found, expected)), rtol=1e-5
        )


def test_in_training_and_in_a_file(tmp_path):
    """The loss that is logged is the smoothed one; labels stay class numbers."""
    x, y = toy.data()
    model = toy.model(StandardTraining(), learning_rate=0.0)
    plain = model.train_on_batch(x, y, return_dict=True)
    model.compile("sgd", SmoothedCrossentropy(0.4), metrics=["accuracy"])
    model.optimizer.learning_rate.assign(0.0)
    logs = model.train_on_batch(x, y, return_dict=True)
    logits = ops.convert_to_numpy(model.classifier(x, training=True))
    spread = np.log(np.exp(logits).sum(-1)) - logits.mean(-1)  # cross-entropy of 1 / C
    expected = 0.6 * plain["ce_loss"] + 0.4 * spread.mean()
    assert logs["ce_loss"] == pytest.approx(expected, rel=1e-4)
    assert logs["loss"] == pytest.approx(expected, rel=1e-4)
    assert logs["accuracy"] == pytest.approx(plain["accuracy"])
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.loss.get_config() == model.loss.get_config()
    assert loaded.loss.label_smoothing == 0.4
