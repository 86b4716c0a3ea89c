"""MTLIBPTraining against NumPy on a linear net, and against what evaluation proves."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_mpat as mpat
from keras_mpat.evaluation import certified
from keras_mpat.training import MTLIBPTraining
from tests import toy
from tests.oracles import cross_entropy

X, Y = toy.data(32)
BALL = mpat.Linf(0.1)


def worst(x, y, kernel, bias, radius):
    """The lead of each class over the true one at its largest in the box."""
    low, high = np.clip(x - radius, 0, 1), np.clip(x + radius, 0, 1)
    rows = kernel.T - kernel[:, y]
    corners = np.where(rows > 0, high, low)
    return np.sum(rows * corners, axis=-1) + bias - bias[y]


@pytest.mark.parametrize("weight", [0.0, 0.5])
@pytest.mark.parametrize("mutable", [None, [True, False, True, True]])
def test_loss_against_numpy(weight, mutable):
    classifier, kernel, bias = toy.linear(3)
    ball = mpat.Linf(0.1, mutable=mutable)
    strategy = MTLIBPTraining(ball, steps=2, bound_weight=weight)
    model = toy.model(strategy, classifier=classifier, learning_rate=0.0)
    sample_weight = np.linspace(0, 2, len(X))
    logs = model.train_on_batch(X, Y, sample_weight=sample_weight, return_dict=True)
    radius = 0.1 * np.array(mutable if mutable else [1.0] * toy.FEATURES)
    leads = [worst(*pair, kernel, bias, radius) for pair in zip(X, Y, strict=True)]
    values = [cross_entropy(row, c) for row, c in zip(leads, Y, strict=True)]
    assert logs["bound_loss"] == pytest.approx(np.mean(values), rel=1e-4)
    share = np.mean([np.sum(row >= 0) == 1 for row in leads])
    assert logs["bounded_accuracy"] == pytest.approx(share)
    total = logs["ce_loss"] + weight * np.mean(sample_weight * values)
    assert logs["loss"] == pytest.approx(total, rel=1e-4)


def test_warm_up_opens_the_box():
    strategy = MTLIBPTraining(BALL, steps=1, clean_epochs=1, warmup_epochs=2)
    model = toy.model(strategy, classifier=toy.linear(3)[0])
    x = ops.convert_to_tensor(np.clip(X, 0.2, 0.8))
    sizes = []
    for epoch in range(4):
        strategy.begin_epoch(model, epoch, 1)
        views = model.perturb(x, Y)
        low, high = (ops.convert_to_numpy(views[name]) for name in ("low", "high"))
        sizes.append(float(np.mean(high - low)) / 2)
        attacked = ops.convert_to_numpy(views["adversarial"])
        assert np.all(attacked >= low - 1e-6) and np.all(attacked <= high + 1e-6)
    assert sizes == pytest.approx([0.0, 0.05, 0.1, 0.1], abs=1e-6)


def test_it_certifies_what_pgd_training_does_not():
    """Two ReLU layers, the same data and steps; logs and proofs agree."""
    for weight, share in ((0.0, 0.0), (0.5, 1.0)):
        rng = np.random.default_rng(0)
        hidden = [layers.Dense(32, activation="relu") for _ in range(2)]
        classifier = keras.Sequential(
            [keras.Input((toy.FEATURES,)), *hidden, layers.Dense(2)]
        )
        for kernel in classifier.weights[::2]:
            kernel.assign(rng.normal(size=kernel.shape) / 2)
        strategy = MTLIBPTraining(BALL, steps=2, bound_weight=weight, warmup_epochs=15)
        model = toy.model(
            strategy, classifier=classifier, eager=False, learning_rate=0.02
        )
        logs = model.fit(X, Y, batch_size=16, epochs=30, verbose=0).history
        proven = np.mean(certified(classifier, (X, Y), BALL, method="ibp"))
        assert proven == pytest.approx(share, abs=0.1)
        assert logs["bounded_accuracy"][-1] == pytest.approx(proven, abs=0.1)
        assert logs["accuracy"][-1] == 1.0


def test_predictions_of_a_head_have_no_bounds():
    with pytest.raises(ValueError, match="`predict_from` must be 'linear'"):
        toy.model(MTLIBPTraining(BALL), head=toy.head(), predict_from="head")
