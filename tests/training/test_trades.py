"""TRADESTraining against a slow oracle: start, attack, loss, weights, views."""

import numpy as np
import pytest
from keras import ops

import keras_mpat as mpat
from keras_mpat import noise
from keras_mpat.training import TRADESTraining
from tests import toy
from tests.oracles import cross_entropy, finite_differences

X, Y = toy.data(6)
BALL = mpat.Linf(0.1)


def array(tensor):
    return ops.convert_to_numpy(tensor)


def divergence(clean, logits):
    """sum_c p_c (log p_c - log q_c) of one example."""
    classes = range(len(clean))
    log_p, log_q = (
        np.array([-cross_entropy(row, c) for c in classes]) for row in (clean, logits)
    )
    return float(np.sum(np.exp(log_p) * (log_p - log_q)))


def views(model, x=X, y=Y):
    """(x_adv, the normal numbers of its start)."""
    state = array(model.seed_generator.state).copy()
    keys = noise.keys(model.seed_generator, len(x))
    model.seed_generator.state.assign(state)
    found = model.perturb(ops.convert_to_tensor(x), y)
    model.seed_generator.state.assign(state)
    np.testing.assert_array_equal(array(found["clean"]), x)
    return array(found["adversarial"]), array(noise.normal(keys, x.shape[1:]))


def attacked(x, kernel, start, step, steps):
    """The attack on one batch by finite differences, example by example."""
    x_adv = start.astype("float64")
    for _ in range(steps):
        for i, row in enumerate(x.astype("float64")):
            clean = row @ kernel
            gradient = finite_differences(
                lambda z, clean=clean: divergence(clean, z @ kernel), x_adv[i]
            )
            moved = x_adv[i] + step * np.sign(gradient)
            x_adv[i] = np.clip(np.clip(moved, row - 0.1, row + 0.1), 0, 1)
    return x_adv


@pytest.mark.parametrize("bounds", [(0, 1), (0, 10)])
def test_attack_against_the_oracle(bounds):
    """In wider bounds the start moves in proportion, the ball here does not."""
    classifier, kernel = toy.linear(3, scale=2.0, bias=False)
    ball = mpat.Linf(0.1, bounds=bounds)
    model = toy.model(TRADESTraining(ball, steps=3), classifier=classifier)
    x_adv, normal = views(model)
    start = X + 0.001 * bounds[1] * normal
    expected = attacked(X, kernel, start, 2.5 * 0.1 / 3, 3)
    np.testing.assert_allclose(x_adv, expected, atol=1e-5)
    gains = [divergence(a @ kernel, b @ kernel) for a, b in zip(X, x_adv, strict=True)]
    assert np.mean(gains) > 0.01


def test_it_knows_no_labels():
    strategy = TRADESTraining(BALL, steps=2)
    first, _ = views(
        toy.model(strategy, classifier=toy.linear(3, scale=2.0, bias=False)[0])
    )
    second, _ = views(
        toy.model(strategy, classifier=toy.linear(3, scale=2.0, bias=False)[0]), y=1 - Y
    )
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("beta", [0.0, 1.0, 6.0])
def test_loss_against_numpy(beta):
    classifier, kernel = toy.linear(3, scale=2.0, bias=False)
    model = toy.model(TRADESTraining(BALL, beta=beta, steps=2), classifier=classifier)
    x_adv, _ = views(model)
    weights = np.array([0, 1, 2, 0.5, 0, 3], "float32")
    logs = model.train_on_batch(X, Y, sample_weight=weights, return_dict=True)
    clean, moved = X.astype("float64") @ kernel, x_adv.astype("float64") @ kernel
    natural = [cross_entropy(row, c) for row, c in zip(clean, Y, strict=True)]
    robust = [divergence(a, b) for a, b in zip(clean, moved, strict=True)]
    assert np.mean(robust) > 0.01
    values = np.array(natural) + beta * np.array(robust)
    assert logs["ce_loss"] == pytest.approx(np.mean(weights * natural), rel=1e-4)
    assert logs["loss"] == pytest.approx(np.mean(weights * values), rel=1e-4)


def test_the_gradient_passes_through_both_outputs():
    classifier, kernel = toy.linear(3, scale=2.0, bias=False)
    strategy = TRADESTraining(BALL, steps=2)
    model = toy.model(strategy, classifier=classifier, learning_rate=0.5)
    x_adv, _ = views(model)
    model.train_on_batch(X, Y)

    def loss(weights):
        clean, moved = X @ weights, x_adv @ weights
        natural = [cross_entropy(row, c) for row, c in zip(clean, Y, strict=True)]
        robust = [divergence(a, b) for a, b in zip(clean, moved, strict=True)]
        return np.mean(natural) + 6 * np.mean(robust)

    expected = kernel - 0.5 * finite_differences(loss, kernel)
    np.testing.assert_allclose(
        array(classifier.layers[0].kernel), expected, rtol=1e-3, atol=1e-4
    )


def test_the_head_and_the_metrics_are_about_the_adversarial_view():
    head = toy.head()
    classifier = toy.net(batch_norm=False)
    model = toy.model(
        TRADESTraining(mpat.Linf(0.4), steps=3), classifier=classifier, head=head
    )
    y = array(classifier(X)).argmax(axis=1)  # right on all clean images
    x_adv, _ = views(model)
    values, right = [], []
    for view in (x_adv, X):
        loss = head.embedding_loss(y, {"clean": model.embed(view)})
        values.append(float(loss + head.regularization()))
        right.append(np.mean(array(classifier(view)).argmax(axis=1) == y))
    logs = model.train_on_batch(X, y, return_dict=True)
    assert logs["head_loss"] == pytest.approx(values[0], rel=1e-4)
    assert abs(values[0] - values[1]) > 0.05
    assert logs["accuracy"] == pytest.approx(right[0]) and right[0] < right[1] == 1
