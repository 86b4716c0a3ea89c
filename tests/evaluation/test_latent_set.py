"""latent_set: verdicts of evaluate_robustness, and embeddings of what it finds."""

import dataclasses

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_mpat as mpat
from keras_mpat import attacks, evaluation
from keras_mpat.evaluation import LatentSet
from tests import toy

BALL = mpat.Linf(0.1)
_PGD = attacks.PGD(BALL, steps=3, restarts=3)
_ATTACKS = {
    "pgd": _PGD,
    "noise": attacks.RandomNoise(BALL, restarts=2),
    "sequence": attacks.WorstCase([attacks.FGSM(BALL), attacks.PGD(BALL, steps=2)]),
    "near misses": attacks.AutoAttack(BALL, version="quick"),
}


@pytest.fixture(scope="module")
def trained():
    """A model and examples of which an attack fools some, and some are wrong before."""
    x, y = toy.data(90)
    away = np.random.default_rng(2).uniform(0, 0.3, 90)
    x[:, 0] = np.where(y == 1, 0.5 + away, 0.5 - away)  # at all distances
    model = toy.model(mpat.training.StandardTraining(), head=toy.head(), eager=False)
    model.fit(x, y, epochs=10, batch_size=15, verbose=0)
    y = y.copy()
    y[::9] = 1 - y[::9]  # wrong without an attack
    return model, x, y


def found(trained, attack, **options):
    model, x, y = trained
    return evaluation.latent_set(model, x, y, attack, verbose=False, **options)


@pytest.mark.parametrize("name", ["pgd", "noise", "sequence"])
def test_verdicts_are_those_of_evaluate_robustness(trained, name):
    model, x, y = trained
    attack = _ATTACKS[name]
    latent = found(trained, attack, seed=5, batch_size=16)
    result = evaluation.evaluate_robustness(
        model, (x, y), attack, seed=5, batch_size=16, verbose=False
    )
    np.testing.assert_array_equal(latent.clean_right, result.clean)
    np.testing.assert_array_equal(latent.robust, result.robust)
    assert 0 < result.robust.sum() < result.clean.sum() < len(y)
    assert latent.attack == repr(attack) and latent.seed == 5


def test_adversarial_examples_are_those_that_evaluation_keeps(trained, tmp_path):
    model, x, y = trained
    latent = found(trained, _PGD, keep_examples=True)
    result = evaluation.evaluate_robustness(
        model, (x, y), _PGD, state_dir=tmp_path, verbose=False
    )
    index = result.evidence.index
    assert len(index) > 5
    np.testing.assert_array_equal(latent.examples[index], result.evidence.adversarial)
    assert not latent.examples[index].tobytes() == x[index].tobytes()


def test_all_are_attacked_and_embedded(trained):
    model, x, y = trained
    latent = found(trained, _PGD, keep_examples=True, batch_size=16)
    moved = np.abs(latent.examples - x).max(axis=1)
    assert np.all(moved > 0.01) and moved.max() <= 0.1 + 1e-6
    for points, data in ((latent.clean, x), (latent.adversarial, latent.examples)):
        expected = evaluation.embeddings(model, data)
        np.testing.assert_allclose(points, expected, rtol=1e-5, atol=1e-6)
    logits = ops.convert_to_numpy(model.predictor(latent.examples, training=False))
    np.testing.assert_array_equal(latent.adversarial_predicted, logits.argmax(axis=1))
    logits = ops.convert_to_numpy(model.predictor(x, training=False))
    np.testing.assert_array_equal(latent.clean_predicted, logits.argmax(axis=1))


def test_of_what_withstands_the_run_that_came_nearest_is_kept(trained):
    model, x, y = trained
    attack = attacks.RandomNoise(mpat.Linf(0.02), restarts=4)
    latent = found(trained, attack, keep_examples=True)
    classifier, keys = model.predictor, mpat.noise.of_indices(0, np.arange(len(x)))

    def lead(data):
        logits = ops.convert_to_numpy(classifier(data, training=False))
        rows = np.arange(len(y))
        return logits[rows, 1 - y] - logits[rows, y]

    runs = [
        np.asarray(attack.run(classifier, ops.convert_to_tensor(x), y, keys, run))
        for run in range(4)
    ]
    leads = np.stack([lead(run) for run in runs])
    robust = latent.robust
    assert robust.sum() > 40
    expected = leads.max(axis=0)[robust]
    np.testing.assert_allclose(lead(latent.examples)[robust], expected, atol=1e-5)
    assert len(np.unique(leads.argmax(axis=0))) == 4


def test_a_plain_classifier_and_any_layer():
    net, (x, y) = toy.named(), toy.data(20)
    options = {"verbose": False, "keep_examples": True}
    attack = attacks.FGSM(BALL)
    plain = evaluation.latent_set(net, x, y, attack, **options)
    assert plain.clean.shape == (20, 8) and plain.clean.min() == 0  # after the ReLU
    hidden = evaluation.latent_set(net, x, y, attack, feature_layer="hidden", **options)
    expected = ops.convert_to_numpy(net.get_layer("hidden")(hidden.examples))
    np.testing.assert_allclose(hidden.adversarial, expected, rtol=1e-5, atol=1e-6)
    assert hidden.clean.min() < 0
    one_hot = evaluation.latent_set(net, x, np.eye(2)[y], attack, **options)
    np.testing.assert_array_equal(one_hot.y, y)


def test_maps_are_flattened():
    steps = [layers.Conv2D(3, 3, name="map"), layers.Flatten(), layers.Dense(2)]
    net = keras.Sequential([keras.Input((6, 6, 1)), *steps])
    x = np.random.default_rng(0).uniform(size=(5, 6, 6, 1)).astype("float32")
    y = np.array([0, 1, 0, 1, 1])
    latent = evaluation.latent_set(
        net, x, y, attacks.FGSM(BALL), feature_layer="map", verbose=False
    )
    expected = ops.convert_to_numpy(steps[0](x)).reshape(5, -1)
    np.testing.assert_allclose(latent.clean, expected, rtol=1e-5, atol=1e-6)


def test_an_interrupted_one_continues(trained, tmp_path, monkeypatch):
    whole = found(trained, _PGD, batch_size=4, keep_examples=True)
    real, calls = evaluation.driver.Driver.work, []

    def stopped(self, *arguments):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        real(self, *arguments)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(evaluation.driver.Driver, "work", stopped)
        found(trained, _PGD, batch_size=4, state_dir=tmp_path)
    options = {"state_dir": tmp_path, "keep_examples": True}
    again = found(trained, _PGD, batch_size=4, **options)
    for field in dataclasses.fields(LatentSet):
        np.testing.assert_array_equal(
            getattr(again, field.name), getattr(whole, field.name)
        )
    with pytest.raises(ValueError, match="another evaluation"):
        found(trained, _PGD, batch_size=8, state_dir=tmp_path)


def test_saved_and_loaded(trained, tmp_path):
    modes = np.arange(90) % 4
    for options in ({"modes": modes, "keep_examples": True}, {}):
        latent = found(trained, attacks.FGSM(BALL), **options)
        latent.save(tmp_path / "latent.npz")
        with np.load(tmp_path / "latent.npz", allow_pickle=False) as stored:
            assert ("modes" in stored) == bool(options)
        loaded = LatentSet.load(tmp_path / "latent.npz")
        for field in dataclasses.fields(LatentSet):
            first, second = (getattr(s, field.name) for s in (latent, loaded))
            assert type(first) is type(second)
            np.testing.assert_array_equal(first, second)
        assert loaded.to_dict() == latent.to_dict()
    np.savez(tmp_path / "other.npz", clean=latent.clean)
    with pytest.raises(ValueError, match="lacks adversarial, adversarial_pred"):
        LatentSet.load(tmp_path / "other.npz")


@pytest.mark.slow
def test_near_misses_are_those_of_evaluate_robustness(trained):
    model, x, y = trained
    latent = found(trained, _ATTACKS["near misses"])
    result = evaluation.evaluate_robustness(
        model, (x, y), _ATTACKS["near misses"], verbose=False
    )
    np.testing.assert_array_equal(latent.robust, result.robust)
