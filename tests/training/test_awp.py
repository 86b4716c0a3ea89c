"""AWPTraining against finite differences: where the weights move, and what the update
takes from there."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_mpat as mpat
from keras_mpat.training import (
    AdversarialTraining,
    AWPTraining,
    FreeTraining,
    PGDTraining,
    StandardTraining,
)
from tests import toy
from tests.oracles import cross_entropy, finite_differences

X, Y = toy.data(8)
BALL = mpat.Linf(0.1)
GAMMA = 0.2


def mean_loss(x, kernel, bias, norm=0.0):
    logits = x.astype("float64") @ kernel + bias
    rows = [cross_entropy(row, c) for row, c in zip(logits, Y, strict=True)]
    return np.mean(rows) + norm * np.sum(kernel**2) / 2


def moved(x, kernel, bias, norm=0.0):
    """The kernel plus gamma |w| g / |g|; the bias stays."""
    gradient = finite_differences(lambda w: mean_loss(x, w, bias, norm), kernel)
    size = GAMMA * np.linalg.norm(kernel) / np.linalg.norm(gradient)
    return kernel + size * gradient


@pytest.mark.parametrize(("eager", "norm"), [(True, 0.0), (False, 0.0), (False, 0.3)])
def test_one_update_against_finite_differences(eager, norm):
    """Of a linear net, whose adversarial batch is known: a step against the margin."""
    classifier, kernel, bias = toy.linear()
    inner = AdversarialTraining(mpat.attacks.FGSM(BALL))
    strategy = AWPTraining(inner, gamma=GAMMA)
    options = {"regularizer": "weights", "regularizer_weight": norm}
    options |= {"eager": eager, "learning_rate": 0.5}
    model = toy.model(strategy, classifier=classifier, **options)
    toward = (kernel[:, 1 - Y] - kernel[:, Y]).T
    x_adv = np.clip(X + 0.1 * np.sign(toward), 0, 1)
    there = moved(x_adv, kernel, bias, norm)

    def loss(kernel, bias):
        return mean_loss(x_adv, kernel, bias, norm)

    expected = [
        kernel - 0.5 * finite_differences(lambda w: loss(w, bias), there),
        bias - 0.5 * finite_differences(lambda b: loss(there, b), bias),
    ]
    logs = model.train_on_batch(X, Y, return_dict=True)
    found = toy.values(classifier.trainable_variables)
    toy.assert_same(found, expected, rtol=1e-3, atol=1e-4)
    # What is logged is what the update saw: the loss at the moved weights.
    assert logs["loss"] == pytest.approx(loss(there, bias), rel=1e-4)
    plain = finite_differences(lambda w: loss(w, bias), kernel)
    assert np.abs(found[0] - (kernel - 0.5 * plain)).max() > 1e-3


def test_each_kernel_moves_by_its_share():
    model = toy.model(AWPTraining(PGDTraining(BALL, steps=2)), head=toy.head())
    views = model.perturb(ops.convert_to_tensor(X), Y)
    kernels = [w for w in model.classifier.weights if w.name == "kernel"]
    assert len(views["awp_kernels"]) == len(kernels) == 2
    for kernel, (own, there) in zip(kernels, views["awp_kernels"], strict=True):
        own, there = map(ops.convert_to_numpy, (own, there))
        np.testing.assert_array_equal(own, toy.values([kernel])[0])
        share = np.linalg.norm(there - own) / np.linalg.norm(own)
        assert share == pytest.approx(0.01, rel=1e-4)


def test_kernels_of_convolutions():
    """Of four axes, one length; normalization and biases stay."""
    classifier = mpat.models.lenet(2, input_shape=(12, 12, 1), filters=(2, 3))
    model = toy.model(AWPTraining(StandardTraining()), classifier=classifier)
    x = np.random.default_rng(0).uniform(size=(8, 12, 12, 1)).astype("float32")
    pairs = model.perturb(ops.convert_to_tensor(x), Y)["awp_kernels"]
    assert [len(own.shape) for own, _ in pairs] == [4, 4, 2, 2]
    for own, there in pairs:
        own, there = map(ops.convert_to_numpy, (own, there))
        share = np.linalg.norm(there - own) / np.linalg.norm(own)
        assert share == pytest.approx(0.01, rel=1e-4)


def test_the_terms_of_head_and_norm_move_the_kernels_too():
    """Else the perturbation would leave out most of a loss that is mostly theirs."""

    def directions(**terms):
        strategy = AWPTraining(StandardTraining())
        model = toy.model(strategy, **terms)
        pairs = model.perturb(ops.convert_to_tensor(X), Y)["awp_kernels"]
        return [ops.convert_to_numpy(there - own).ravel() for own, there in pairs]

    norm = {"regularizer": "weights", "regularizer_weight": 1e4}
    _, last = directions(**norm)
    own = toy.net().layers[-1].kernel
    own = ops.convert_to_numpy(own).ravel()
    cosine = last @ own / np.linalg.norm(last) / np.linalg.norm(own)
    assert cosine == pytest.approx(1, abs=1e-3)
    first, _ = directions()
    headed, _ = directions(head=toy.head(), head_weight=100.0)
    cosine = first @ headed / np.linalg.norm(first) / np.linalg.norm(headed)
    assert cosine < 0.99


def test_terms_that_layers_add_move_the_kernels_too():
    def direction(weight):
        classifier = toy.net()
        classifier.add(layers.ActivityRegularization(l2=weight))
        model = toy.model(AWPTraining(StandardTraining()), classifier=classifier)
        pairs = model.perturb(ops.convert_to_tensor(X), Y)["awp_kernels"]
        own, there = map(ops.convert_to_numpy, pairs[0])
        return (there - own).ravel() / np.linalg.norm(there - own)

    assert direction(0.0) @ direction(100.0) < 0.99


def test_nothing_but_the_update_is_left():
    """Averages, metrics and random numbers are those of one pass, not of two."""
    strategy = PGDTraining(BALL, steps=2)
    plain, model = (
        toy.model(chosen, head=toy.head(), learning_rate=0.0)
        for chosen in (strategy, AWPTraining(strategy, gamma=1e-7))
    )
    logs = [m.train_on_batch(X, Y, return_dict=True) for m in (plain, model)]
    for key, value in logs[0].items():
        assert logs[1][key] == pytest.approx(value, rel=1e-4), key
    toy.assert_same(
        *(toy.values(m.variables) for m in (plain, model)), rtol=1e-4, atol=1e-6
    )


def test_dead_kernels_stay():
    """A kernel without a gradient does not move, and gives no NaN."""
    classifier, _, _ = toy.linear()
    classifier.layers[0].kernel.assign(np.zeros((toy.FEATURES, 2)))
    model = toy.model(AWPTraining(StandardTraining()), classifier=classifier)
    ((own, there),) = model.perturb(ops.convert_to_tensor(X), Y)["awp_kernels"]
    np.testing.assert_array_equal(*map(ops.convert_to_numpy, (own, there)))
    classifier = keras.Sequential(
        [
            keras.Input((toy.FEATURES,)),
            layers.Dense(
                3, activation="relu", bias_initializer=lambda s, **_: -9 * np.ones(s)
            ),
            layers.Dense(2),
        ]
    )
    model = toy.model(AWPTraining(StandardTraining()), classifier=classifier)
    (own, there), _ = model.perturb(ops.convert_to_tensor(X), Y)["awp_kernels"]
    np.testing.assert_array_equal(*map(ops.convert_to_numpy, (own, there)))


def test_frozen_kernels_are_left_alone():
    classifier = toy.net()
    classifier.layers[0].trainable = False
    model = toy.model(AWPTraining(StandardTraining()), classifier=classifier)
    pairs = model.perturb(ops.convert_to_tensor(X), Y)["awp_kernels"]
    assert [own.shape for own, _ in pairs] == [(8, 2)]
    for layer in classifier.layers:
        layer.trainable = False
    with pytest.raises(ValueError, match="kernels that are trained"):
        toy.model(AWPTraining(StandardTraining()), classifier=classifier)


def test_between_batches_the_kernels_are_their_own():
    """What is saved, and what the next attack sees, is not perturbed."""
    model = toy.model(AWPTraining(PGDTraining(BALL, steps=1), gamma=0.5), eager=False)
    before = toy.values(model.classifier.weights)
    model.optimizer.learning_rate.assign(0.0)
    model.fit(X, Y, batch_size=4, verbose=0)
    kernels = [w for w in before if w.ndim == 2]
    after = [w for w in toy.values(model.classifier.weights) if w.ndim == 2]
    toy.assert_same(after, kernels)


def test_free_training_catches_its_input_gradient_there():
    """The perturbation of Free moves by the gradient at the moved weights."""
    classifier, kernel, bias = toy.linear()
    inner = FreeTraining(BALL, replays=1, batch_size=len(X))
    model = toy.model(AWPTraining(inner, gamma=GAMMA), classifier=classifier)
    model.train_on_batch(X, Y)
    there = moved(X, kernel, bias)
    toward = (there[:, 1 - Y] - there[:, Y]).T
    expected = np.clip(X + 0.1 * np.sign(toward), 0, 1) - X
    found = toy.values([model.strategy_state["perturbation"]])[0]
    np.testing.assert_allclose(found, expected, atol=1e-6)
