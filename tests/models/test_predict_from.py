"""predict_from, clean_dml, step_multiplier and joint forwards."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_mpat as mpat
from keras_mpat import attacks, training
from tests import toy

X, Y = toy.data(24)
BALL = mpat.Linf(0.1)
PGD = training.PGDTraining(BALL, steps=2)


def array(tensor):
    return ops.convert_to_numpy(tensor)


def from_head(**kwargs):
    return toy.model(PGD, head=toy.head(), predict_from="softtriple", **kwargs)


def test_predictions_are_the_similarities_of_the_head():
    model = from_head()
    features = model.features(X)[1]
    expected = array(model.head.logits(features))
    np.testing.assert_allclose(model.predict(X, verbose=0), expected, rtol=1e-5)
    np.testing.assert_allclose(array(model.predictor(X)), expected, rtol=1e-5)
    linear = toy.model(PGD, head=toy.head())
    np.testing.assert_allclose(array(linear(X)), array(linear.classifier(X)))
    assert linear.predictor is linear.classifier


def test_attacks_ascend_the_loss_of_what_predict_returns():
    model = from_head()
    attack = attacks.FGSM(BALL)
    x_adv = array(attack(model.logits_fn(), ops.convert_to_tensor(X), Y, 0))
    with_head = array(attack(lambda x: model.head.logits(model.embed(x)), X, Y, 0))
    linear = array(attack(model.classifier, X, Y, 0))
    np.testing.assert_array_equal(x_adv, with_head)
    assert np.any(x_adv != linear)


def test_metrics_and_evaluation_are_about_the_head(tmp_path):
    model = from_head(validation_attack=attacks.FGSM(BALL))
    model.head.prototypes.assign(-array(model.head.prototypes))
    scores = model.predict(X, verbose=0)
    logs = model.evaluate(X, Y, return_dict=True, verbose=0)
    assert logs["accuracy"] == pytest.approx(np.mean(scores.argmax(axis=1) == Y))
    result = mpat.evaluation.evaluate_robustness(
        model, (X, Y), attacks.FGSM(BALL), verbose=False
    )
    assert result.clean_accuracy == pytest.approx(logs["accuracy"])
    assert result.robust_accuracy == pytest.approx(logs["robust_accuracy"])
    model.predictor.save(tmp_path / "predictor.keras")
    loaded = keras.models.load_model(tmp_path / "predictor.keras")
    np.testing.assert_allclose(array(loaded(X)), scores, rtol=1e-5, atol=1e-6)


def test_config_round_trip(tmp_path):
    model = from_head()
    model.train_on_batch(X, Y)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.predict_from == "softtriple"
    np.testing.assert_array_equal(
        loaded.predict(X, verbose=0), model.predict(X, verbose=0)
    )


@pytest.mark.parametrize("place, head", [("head", None), ("softtriple", None)])
def test_needs_a_head_with_similarities(place, head):
    with pytest.raises(ValueError, match="one similarity per class.*NoneType"):
        toy.model(PGD, head=head, predict_from=place)
    with pytest.raises(ValueError, match="one similarity per class.*TripletHead"):
        toy.model(PGD, head=mpat.layers.TripletHead(), predict_from=place)
    with pytest.raises(ValueError, match="needs a head that is trained"):
        toy.model(PGD, head=toy.head(), head_weight=0, predict_from=place)
    with pytest.raises(ValueError, match="Did you mean 'linear'"):
        toy.model(PGD, predict_from="lineer")


def test_clean_dml_is_the_mean_over_both_batches():
    model = toy.model(
        PGD, head=toy.head(clean_dml=True), classifier=toy.net(batch_norm=False)
    )
    state = array(model.seed_generator.state).copy()
    views = model.perturb(ops.convert_to_tensor(X), Y)
    model.seed_generator.state.assign(state)
    assert list(views) == ["adversarial", "clean"]
    np.testing.assert_array_equal(array(views["clean"]), X)
    head = model.head
    each = [
        float(head.loss()(Y, head.logits(model.embed(view)))) for view in views.values()
    ]
    assert each[0] != pytest.approx(each[1], rel=1e-3)
    expected = np.mean(each) + float(head.regularization())
    cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    adversarial = float(cross_entropy(Y, model.classifier(views["adversarial"])))
    logs = model.train_on_batch(X, Y, return_dict=True)
    assert logs["head_loss"] == pytest.approx(expected, rel=1e-5)
    assert logs["ce_loss"] == pytest.approx(adversarial, rel=1e-5)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "rmsprop"])
def test_step_multiplier_multiplies_the_step(optimizer):
    moved = {}
    for factor in (1.0, 50.0):
        head = toy.head(step_multiplier=factor)
        net = toy.net(batch_norm=False)
        model = toy.model(training.StandardTraining(), head=head, classifier=net)
        model.compile(keras.optimizers.get({"class_name": optimizer, "config": {
            "learning_rate": 1e-3}}), run_eagerly=True)  # fmt: skip
        before = array(head.stepped(head.prototypes.value))
        logs = model.train_on_batch(X, Y, return_dict=True)
        moved[factor] = array(head.stepped(head.prototypes.value)) - before
        moved[factor, "loss"] = logs["loss"]
        moved[factor, "net"] = toy.values(model.classifier.trainable_variables)
    assert moved[1.0, "loss"] == pytest.approx(moved[50.0, "loss"], rel=1e-5)
    np.testing.assert_allclose(moved[50.0], 50 * moved[1.0], rtol=2e-3, atol=1e-5)
    toy.assert_same(moved[1.0, "net"], moved[50.0, "net"], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", ["Adafactor", "Ftrl", "Lamb"])
def test_step_multiplier_is_refused_where_it_has_no_effect(kind):
    optimizer = getattr(keras.optimizers, kind)()
    model = toy.model(PGD, head=toy.head(step_multiplier=10.0))
    with pytest.raises(ValueError, match="has no effect with optimizers.*10.0"):
        model.compile(optimizer)
    toy.model(PGD, head=toy.head()).compile(optimizer)
