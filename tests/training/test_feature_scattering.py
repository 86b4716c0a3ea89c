"""FeatureScatteringTraining against a slow oracle: attack, loss, labels it leaves."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_mpat as mpat
from keras_mpat import noise
from keras_mpat.training import FeatureScatteringTraining
from tests import toy
from tests.losses import sinkhorn_oracle as oracle
from tests.oracles import cross_entropy, finite_differences

X, Y = toy.data(6)
BALL = mpat.Linf(0.1)


def array(tensor):
    return ops.convert_to_numpy(tensor)


def linear(classes=3, features=toy.FEATURES):
    """(classifier, kernel (D, C)) with logits x @ kernel."""
    kernel = np.random.default_rng(3).normal(size=(features, classes))
    classifier = keras.Sequential(
        [keras.Input((features,)), layers.Dense(classes, use_bias=False)]
    )
    classifier.set_weights([kernel])
    return classifier, kernel


def views(model, x, y=Y):
    """(x_adv, the uniform numbers in [-1, 1) of its start)."""
    state = array(model.seed_generator.state).copy()
    keys = noise.keys(model.seed_generator, len(x))
    model.seed_generator.state.assign(state)
    x_adv = model.perturb(ops.convert_to_tensor(x), y)["adversarial"]
    model.seed_generator.state.assign(state)
    return array(x_adv), array(noise.uniform(keys, x.shape[1:], -1.0, 1.0))


def scattered(x, kernel, noise_of_start, step):
    """One step on the transport cost, from a start that may leave the box."""
    start = x + 0.1 * noise_of_start.astype("float64")
    clean = x.astype("float64") @ kernel
    gradient = finite_differences(lambda z: oracle.cost(clean, z @ kernel), start)
    moved = np.clip(start + step * np.sign(gradient), x - 0.1, x + 0.1)
    return np.clip(moved, 0.0, 1.0)


def test_one_step_is_that_of_the_oracle():
    classifier, kernel = linear()
    x = X.copy()
    x[:, 1], x[:2, 2] = 0.0, 0.98  # many starts lie outside the box
    model = toy.model(FeatureScatteringTraining(BALL), classifier=classifier)
    x_adv, start = views(model, x)
    np.testing.assert_allclose(x_adv, scattered(x, kernel, start, 0.1), atol=1e-6)
    boxed = np.clip(x + 0.1 * start, 0, 1) - x  # a start that is clipped is another
    other = scattered(x, kernel, boxed / 0.1, 0.1)
    assert np.abs(other - x_adv).max() > 0.01


def test_it_knows_no_labels_and_moves_the_batch_together():
    classifier, _ = linear()
    strategy = FeatureScatteringTraining(BALL, step_size=0.05)
    x_adv, _ = views(toy.model(strategy, classifier=classifier), X)
    other, _ = views(toy.model(strategy, classifier=classifier), X, 1 - Y)
    np.testing.assert_array_equal(x_adv, other)
    company = X.copy()
    company[3:] = 1 - company[3:]
    other, _ = views(toy.model(strategy, classifier=classifier), company)
    assert np.abs(other[:3] - x_adv[:3]).max() > 0.01


def test_more_steps_cost_more_and_stay_in_the_ball():
    classifier, kernel = linear()
    found = {}
    for steps in (1, 8):
        model = toy.model(
            FeatureScatteringTraining(BALL, steps=steps, step_size=0.02),
            classifier=classifier,
        )
        x_adv, _ = views(model, X)
        assert np.abs(x_adv - X).max() <= 0.1 + 1e-6
        found[steps] = oracle.cost(X @ kernel, x_adv @ kernel)
    assert found[8] > 1.3 * found[1]


@pytest.mark.parametrize(("steps", "length"), [(1, 0.1), (2, 0.1), (5, 0.05)])
def test_default_step(steps, length):
    strategy = FeatureScatteringTraining(BALL, steps=steps)
    assert strategy.attack.step_length == pytest.approx(length)


@pytest.mark.parametrize(
    ("smoothing", "classes", "targets"),
    [
        (None, 3, [0.5, 0.25]),
        (None, 2, [0.9, 0.1]),
        (0.2, 2, [0.8, 0.2]),
        (0.0, 3, [1.0, 0.0]),
    ],
)
def test_loss_against_numpy(smoothing, classes, targets):
    classifier, kernel = linear(classes)
    strategy = FeatureScatteringTraining(BALL, label_smoothing=smoothing)
    model = toy.model(strategy, classifier=classifier)
    x_adv, _ = views(model, X)
    weights = np.array([0, 1, 2, 0.5, 0, 3], "float32")
    logs = model.train_on_batch(X, Y, sample_weight=weights, return_dict=True)
    logits = x_adv.astype("float64") @ kernel
    smooth, plain = np.zeros(len(Y)), np.zeros(len(Y))
    for i, (row, label) in enumerate(zip(logits, Y, strict=True)):
        plain[i] = cross_entropy(row, label)
        for c in range(classes):
            smooth[i] += targets[int(c != label)] * cross_entropy(row, c)
    assert logs["ce_loss"] == pytest.approx(np.mean(weights * plain), rel=1e-4)
    assert logs["loss"] == pytest.approx(np.mean(weights * smooth), rel=1e-4)


def test_a_smoothing_without_labels_is_refused():
    with pytest.raises(ValueError, match=r"`label_smoothing` must lie in \[0, 0.5\)"):
        toy.model(FeatureScatteringTraining(BALL, label_smoothing=0.5))
    classifier, _ = linear(3)
    toy.model(
        FeatureScatteringTraining(BALL, label_smoothing=0.5), classifier=classifier
    )
