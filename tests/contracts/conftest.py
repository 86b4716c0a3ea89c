"""A trained net that the contract tests attack."""

import warnings

import numpy as np
import pytest
from keras import ops


@pytest.fixture(scope="session")
def digits():
    """(logits_fn, x, y): a trained net and 16 digits that it gets right, surely."""
    from sklearn.datasets import load_digits
    from sklearn.neural_network import MLPClassifier

    pixels, labels = load_digits(return_X_y=True)
    pixels = (pixels / 16).astype("float32")
    net = MLPClassifier(
        (24,), alpha=0.01, learning_rate_init=0.01, max_iter=60, random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # 60 passes are short of its convergence
        net.fit(pixels[:1000], labels[:1000])
    weights = [np.asarray(part, "float32") for part in net.coefs_ + net.intercepts_]

    def logits_fn(x):
        first, second, first_bias, second_bias = weights
        hidden = ops.relu(ops.matmul(ops.reshape(x, (-1, 64)), first) + first_bias)
        return ops.matmul(hidden, second) + second_bias

    sure = np.sort(net.predict_proba(pixels[1000:]), axis=-1)[:, -1] > 0.9
    right = net.predict(pixels[1000:]) == labels[1000:]
    chosen = np.flatnonzero(sure & right)[:16] + 1000
    assert len(chosen) == 16
    return (
        logits_fn,
        pixels[chosen].reshape(-1, 8, 8, 1),
        labels[chosen].astype("int32"),
    )
