"""The released MNIST net with proofs: what its file says of 100 images, at any time."""

from pathlib import Path

import keras
import numpy as np

from keras_mpat import attacks
from keras_mpat.evaluation import certified, evaluate_robustness
from tests.evaluation.committed_net import BALL, images

RESULTS = Path(__file__).resolve().parents[2] / "results"


def test_it_loads_with_plain_keras_and_proves_what_it_proved():
    path = RESULTS / "mnist_certified" / "classifier.keras"
    net = keras.saving.load_model(path, compile=False)
    assert all(type(layer).__module__.startswith("keras.") for layer in net.layers)
    x, y = images(100)
    assert np.sum(np.argmax(net(x), axis=-1) == y) == 100
    proven = certified(net, (x, y), BALL, method="ibp")
    assert abs(proven.sum() - 92) <= 1  # at the edge, rounding decides
    pgd = attacks.PGD(BALL, steps=10)
    result = evaluate_robustness(net, (x, y), pgd, batch_size=100, verbose=False)
    assert not np.any(proven & ~result.robust)
