"""What pretraining is for: classes that it never saw become linearly separable."""

import keras
import numpy as np
import pytest

import keras_mpat
from keras_mpat import pretraining

BALL = keras_mpat.Linf(0.1)
METHODS = {
    "rocl": lambda net: pretraining.RoCL(net, BALL, projection=(64, 32), steps=3),
    "acl": lambda net: pretraining.ACL(net, BALL, steps=3),
}


def _net():
    keras.utils.set_random_seed(0)
    return keras_mpat.models.lenet(10, input_shape=(8, 8, 1), filters=(4, 8), units=16)


def _probe(encoder, train, test):
    """Test accuracy of a logistic regression on frozen embeddings."""
    from sklearn.linear_model import LogisticRegression

    (x, y), (x_test, y_test) = train, test
    probe = LogisticRegression(max_iter=2000)
    probe.fit(encoder.predict(x, verbose=0), y)
    return probe.score(encoder.predict(x_test, verbose=0), y_test)


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS.keys())
def test_a_linear_probe_gains_ten_points_over_the_first_weights(method):
    train, test = (
        keras_mpat.datasets.arrays("digits", part)[:2] for part in ("train", "test")
    )
    net = _net()
    encoder = keras.Model(net.inputs[0], keras_mpat.models.find_embedding(net))
    before = _probe(encoder, train, test)
    model = pretraining.pretrain(
        method(net),
        train[0],
        epochs=8,
        batch_size=128,
        optimizer=keras.optimizers.Adam(3e-3),
        verbose=0,
    )
    after = _probe(model.encoder, train, test)
    assert np.isfinite(before) and after > before + 0.1
