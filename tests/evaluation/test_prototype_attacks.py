"""prototype_attacks: which attacks a model gets, what it refuses, and that they run."""

import keras
import numpy as np
import pytest

import keras_mpat as mpat
from keras_mpat import attacks, evaluation
from keras_mpat.evaluation import prototype_attacks
from keras_mpat.objectives import CrossEntropy, Margin, Scaled
from tests import toy

X, Y = toy.data(24)
BALL = mpat.Linf(0.2)
STANDARD = mpat.training.StandardTraining()
WITHOUT_PROTOTYPES = ["P1", "P5", "P6", "P6", "P6", "P8"]
FROM_THE_HEAD = ["P1", "P4", "P5", "P6", "P6", "P6", "P7", "P8"]
ALL = ["P1", "P2", "P3", "P4", "P5", "P6", "P6", "P6", "P7", "P8"]


def made(model, **kwargs):
    options = {"train": (X, Y), "twins": {"twin": toy.net(seed=3)}, "steps": 2}
    return prototype_attacks(model, BALL, **{**options, **kwargs})


def adversarial(head, **kwargs):
    return toy.model(STANDARD, head=head, **kwargs)


def parts(found):
    return [name[:2] for name in found]


@pytest.mark.parametrize(
    "head, expected",
    [
        (toy.head, ALL),
        pytest.param(lambda: mpat.ProxyNCAHead(2), ALL, marks=pytest.mark.slow),
        pytest.param(lambda: mpat.ProxyAnchorHead(2), ALL, marks=pytest.mark.slow),
        (mpat.TripletHead, WITHOUT_PROTOTYPES),
        pytest.param(mpat.NPairHead, WITHOUT_PROTOTYPES, marks=pytest.mark.slow),
    ],
    ids=["soft_triple", "proxy_nca", "proxy_anchor", "triplet", "n_pair"],
)
def test_each_head_has_its_attacks_and_they_hold_in_a_config(head, expected):
    found = made(adversarial(head()))
    assert parts(found) == expected
    for attack in found.values():
        config = keras.saving.serialize_keras_object(attack)
        assert keras.saving.deserialize_keras_object(config) == attack
        x_adv = np.asarray(attack(toy.net(), X, Y))
        assert np.abs(x_adv - X).max() <= 0.2 + 1e-6
        assert 0 <= x_adv.min() and x_adv.max() <= 1


def test_what_each_of_them_is():
    model = adversarial(toy.head())
    found = {name[:2]: attack for name, attack in made(model, steps=7).items()}
    margin = attacks.APGD(BALL, steps=7, objective=Margin(None))
    assert found["P1"] == margin
    assert found["P2"].objective == attacks.SimilarityMargin()
    assert found["P3"].objective == attacks.SimilarityMargin(with_logits=True)
    assert found["P5"].margin_steps == 20 and found["P5"].objective.neighbors == 5
    np.testing.assert_allclose(
        found["P5"].objective.embeddings, evaluation.embeddings(model, X), rtol=1e-6
    )
    np.testing.assert_array_equal(found["P5"].objective.labels, Y)
    assert found["P7"].objective == attacks.UnnormalizedMargin()
    assert found["P8"].attack == margin
    factors = [attack.objective for name, attack in made(model).items() if "P6" in name]
    assert factors == [Scaled(CrossEntropy(), f) for f in (0.01, 1.0, 100.0)]
    for name in ("P2", "P3", "P4", "P5", "P7"):
        assert found[name].steps == 7 and found[name].head is model.head
        np.testing.assert_allclose(
            found[name].features(X), np.asarray(model.embed(X)), rtol=1e-6
        )


def test_prototypes_are_counted_where_they_are_in_use():
    model = adversarial(toy.head(prototypes_per_class=[3, 30]))

    def count():
        return made(model)["P4 prototypes"].objective.prototypes

    assert count() == 20
    model.head.active.assign(np.eye(30)[[0, 1]] + np.eye(30)[[2, 2]])
    assert count() == 2
    model.head.active.assign(np.eye(30)[[0, 1]])
    assert count() == 1


def test_a_head_that_predicts_needs_no_attack_on_itself_twice():
    model = adversarial(toy.head(), predict_from="head")
    assert parts(made(model)) == FROM_THE_HEAD
    replaced = mpat.models.replace_head(toy.net(), toy.head())
    found = made(replaced)
    assert parts(found) == FROM_THE_HEAD
    assert found["P4 prototypes"].head is replaced.layers[-1]
    embedding = keras.Model(replaced.inputs[0], replaced.layers[-2].output)
    np.testing.assert_allclose(
        found["P4 prototypes"].features(X), embedding(X), rtol=1e-6
    )


def test_a_classifier_with_the_head_of_its_training():
    model = adversarial(toy.head())
    found = made(model.classifier, head=model.head)
    assert parts(found) == ALL
    for name, attack in made(model).items():
        assert repr(found[name]).replace("Functional", "") == repr(attack).replace(
            "Functional", ""
        )


def test_verdicts_are_about_what_predict_returns():
    model = adversarial(toy.head(), predict_from="head")
    model.fit(X, Y, epochs=5, verbose=0)
    chosen = {k: v for k, v in made(model).items() if k[:2] in ("P4", "P7")}
    result = evaluation.evaluate_robustness(
        model, (X, Y), chosen, batch_size=24, verbose=False
    )
    right = np.argmax(model.predict(X, verbose=0), axis=-1) == Y
    np.testing.assert_array_equal(result.clean, right)
    assert np.sum(result.clean & ~result.robust) > 0
    x_adv = np.asarray(chosen["P4 prototypes"](model.predictor, X, Y))
    assert np.any(np.argmax(model.predict(x_adv, verbose=0), -1)[right] != Y[right])


@pytest.mark.filterwarnings("default:prototype_attacks leaves out")
def test_what_is_left_out_is_said():
    model = adversarial(toy.head())
    with pytest.warns(UserWarning, match=r"P5 \(pass train=.*P8 \(pass twins="):
        found = prototype_attacks(model, BALL)
    assert set(parts(found)) == set(ALL) - {"P5", "P8"}
    with pytest.warns(UserWarning, match=r"leaves out P8"):
        prototype_attacks(model, BALL, train=(X, np.eye(2)[Y]))


def test_attacks_of_another_net_are_refused_by_evaluation():
    found = made(adversarial(toy.head()))["P4 prototypes"]
    wide = keras.Sequential([keras.Input((5,)), keras.layers.Dense(2)])
    with pytest.raises(ValueError, match=r"`features` must map inputs like .*\(5,\)"):
        evaluation.evaluate_robustness(wide, (np.zeros((2, 5)), [0, 1]), found)
