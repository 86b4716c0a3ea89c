"""LogitPairingTraining against NumPy, and its joint and separate forwards."""

import numpy as np
import pytest
from keras import ops

import keras_mpat as mpat
from keras_mpat.training import LogitPairingTraining
from tests import toy

X, Y = toy.data(16)
BALL = mpat.Linf(0.1)


def array(tensor):
    return ops.convert_to_numpy(tensor)


def cross_entropy(y, z):
    shifted = z - z.max(axis=1, keepdims=True)
    log_softmax = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return -log_softmax[np.arange(len(y)), y]


@pytest.mark.parametrize("reduction, factor", [("mean", 0.5), ("sum_classes", 1.0)])
def test_loss_against_numpy(reduction, factor):
    strategy = LogitPairingTraining(
        BALL, steps=2, pairing_weight=0.8, reduction=reduction
    )
    model = toy.model(
        strategy, classifier=toy.net(batch_norm=False), head=toy.head(), head_weight=0.3
    )
    state = array(model.seed_generator.state).copy()
    views = model.perturb(ops.convert_to_tensor(X), Y)
    model.seed_generator.state.assign(state)
    assert list(views) == ["adversarial", "clean"]
    adversarial, clean = (array(model.classifier(view)) for view in views.values())
    weights = np.linspace(0, 2, len(X)).astype("float32")
    supervised = (cross_entropy(Y, adversarial) + cross_entropy(Y, clean)) / 2
    pairing = factor * np.sum((adversarial - clean) ** 2, axis=1)
    logs = model.train_on_batch(X, Y, sample_weight=weights, return_dict=True)
    assert logs["ce_loss"] == pytest.approx(np.mean(weights * supervised), rel=1e-4)
    regularizer = float(toy.model(strategy, head=toy.head()).head.regularization())
    data_term = logs["head_loss"] - regularizer
    total = np.mean(weights * (supervised + 0.8 * pairing)) + 0.3 * (
        data_term + regularizer
    )
    assert logs["loss"] == pytest.approx(total, rel=1e-4)


def test_joint_forward_mixes_the_statistics_of_both_batches():
    averages = {}
    for joint in (True, False):
        strategy = LogitPairingTraining(BALL, steps=1, joint_forward=joint)
        model = toy.model(strategy)
        state = array(model.seed_generator.state).copy()
        views = model.perturb(ops.convert_to_tensor(X), Y)
        model.seed_generator.state.assign(state)
        dense, norm = model.classifier.layers[:2]
        hidden = [array(dense(view)) for view in views.values()]
        start = array(norm.moving_mean).copy()
        model.train_on_batch(X, Y)
        averages[joint] = array(norm.moving_mean)
        if joint:
            expected = 0.5 * start + 0.5 * np.concatenate(hidden).mean(axis=0)
        else:
            expected = start
            for view in hidden:
                expected = 0.5 * expected + 0.5 * view.mean(axis=0)
        np.testing.assert_allclose(averages[joint], expected, rtol=1e-4, atol=1e-6)
    assert np.abs(averages[True] - averages[False]).max() > 1e-3
