"""Transfer: examples of a surrogate, judged on another model."""

import keras
import numpy as np
import pytest
from keras import layers

import keras_mpat as mpat
from keras_mpat import attacks, evaluation
from keras_mpat.objectives import CrossEntropy
from tests import toy

X, Y = toy.data(24)
BALL = mpat.Linf(0.25)
PGD = attacks.PGD(BALL, steps=2, restarts=2)


def linear(weights, name=None):
    """A classifier of two features, whose logits are x @ weights, 0.5 the middle."""
    classifier = keras.Sequential(
        [keras.Input((2,)), layers.Dense(2)], **({"name": name} if name else {})
    )
    weights = np.array(weights, "float32")
    classifier.set_weights([weights, -0.5 * weights.sum(axis=0)])
    return classifier


FIRST = [[-5, 5], [0, 0]]  # class 1 where the first feature is large
SECOND = [[0, 0], [-5, 5]]


def evaluate(model, attack, data=(X, Y), **kwargs):
    kwargs = {"verbose": False, "batch_size": 8, **kwargs}
    return evaluation.evaluate_robustness(model, data, attack, **kwargs)


def test_examples_are_those_of_the_surrogate():
    x, y = np.array([[0.6, 0.7]], "float32"), np.array([1])
    attack = attacks.Transfer(attacks.FGSM(mpat.Linf(0.15)), surrogate=linear(SECOND))
    moved = np.asarray(attack(linear(FIRST), x, y))
    np.testing.assert_allclose(moved, [[0.6, 0.55]], atol=1e-6)


def test_verdicts_are_those_of_the_model_under_attack():
    """Where both features are near the middle, an attack on one net fools the other."""
    x = np.array([[0.6, 0.75], [0.6, 0.6], [0.9, 0.6]], "float32")
    y = np.ones(3, "int32")
    both = [[-5, 5], [-5, 5]]
    attack = attacks.Transfer(attacks.FGSM(mpat.Linf(0.15)), surrogate=linear(both))
    result = evaluate(linear(FIRST), attack, (x, y))
    np.testing.assert_array_equal(result.robust, [False, False, True])
    # The surrogate itself is fooled on the second alone.
    own = evaluate(linear(both), attack.attack, (x, y))
    np.testing.assert_array_equal(own.robust, [True, False, True])


@pytest.mark.parametrize(
    "attack",
    [
        PGD,
        pytest.param(
            attacks.APGD(BALL, steps=3, target_classes=1, restarts=2),
            marks=pytest.mark.slow,
        ),
        attacks.WorstCase([attacks.RandomNoise(BALL), PGD]),
    ],
    ids=["PGD", "APGD", "WorstCase"],
)
def test_to_itself_it_is_the_white_box_attack(attack, tmp_path):
    net = toy.net()
    transfer = attacks.Transfer(attack, surrogate=net)
    np.testing.assert_array_equal(transfer(net, X, Y, 3), attack(net, X, Y, 3))
    small = mpat.Linf(0.05)  # else it breaks all
    white = evaluate(net, attack.scaled(0.2), state_dir=tmp_path / "white")
    black = evaluate(net, transfer.scaled(0.2), state_dir=tmp_path / "black")
    assert transfer.scaled(0.2).threat_model.radius == small.radius
    assert 0 < np.sum(white.clean & ~white.robust) < len(X)
    np.testing.assert_array_equal(black.robust, white.robust)
    first, second = (
        np.load(tmp_path / name / "chunk-000000.npz")["adversarial"]
        for name in ("white", "black")
    )
    np.testing.assert_array_equal(first, second)


def test_stages_and_runs_are_those_of_the_attack():
    whole = attacks.AutoAttack(BALL)
    transfer = attacks.Transfer(whole, surrogate=toy.net())
    stages = transfer.stages(2)
    assert list(stages) == list(whole.stages(2))
    for name, stage in stages.items():
        assert stage.attack == whole.stages(2)[name]
        assert stage.runs(2) == stage.attack.runs(2)
        assert stage.passes == stage.attack.passes
        assert stage.near == stage.attack.near
    assert transfer.stages(10)["near: Square"].near == 0.2 and transfer.near == 1
    single = attacks.Transfer(PGD, surrogate=toy.net())
    assert single.stages(2)["PGD"] is single and single.runs(2) == 2
    assert single.title(2) == "PGD by transfer"


def test_the_best_run_is_chosen_by_the_model_under_attack():
    """The surrogate is fooled by no run; which one fools the other net, it decides."""
    blind = linear([[0, 0], [0, 0]])
    x, y = np.full((40, 2), 0.55, "float32"), np.ones(40, "int32")
    noise = attacks.RandomNoise(mpat.Linf(0.1), restarts=1)
    many = attacks.RandomNoise(mpat.Linf(0.1), restarts=20)

    def fooled(attack):
        x_adv = attacks.Transfer(attack, surrogate=blind)(linear(FIRST), x, y, 0)
        return np.asarray(CrossEntropy().fooled(y, linear(FIRST)(x_adv))).mean()

    assert fooled(noise) < 0.6 and fooled(many) == 1.0


def test_paths_and_adversarial_models(tmp_path):
    model = toy.model(
        mpat.training.StandardTraining(), head=toy.head(), predict_from="head"
    )
    model.train_on_batch(X, Y)
    model.save(tmp_path / "model.keras")
    model.predictor.save(tmp_path / "predictor.keras")
    surrogates = [
        model,
        model.predictor,
        tmp_path / "predictor.keras",
        str(tmp_path / "model.keras"),
    ]
    net = toy.net(seed=3)
    moved = [
        np.asarray(attacks.Transfer(PGD, surrogate=surrogate)(net, X, Y))
        for surrogate in surrogates
    ]
    assert np.abs(moved[0] - X).max() > 0.2
    for other in moved[1:]:
        np.testing.assert_allclose(other, moved[0], atol=1e-6)


def test_config_keeps_the_weights():
    attack = attacks.Transfer(PGD, surrogate=toy.net())
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(attack)
    )
    assert again == attack and repr(again) == repr(attack)
    net = toy.net(seed=3)
    np.testing.assert_array_equal(again(net, X, Y), attack(net, X, Y))
    assert attack != attacks.Transfer(PGD, surrogate=toy.net(seed=2))


def test_a_validation_attack_is_saved_with_its_surrogate(tmp_path):
    attack = attacks.Transfer(PGD, surrogate=toy.net(seed=3))
    model = toy.model(mpat.training.StandardTraining(), validation_attack=attack)
    model.train_on_batch(X, Y)
    count = len(model.weights)
    logs = model.evaluate(X, Y, return_dict=True, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.validation_attack == attack
    assert len(loaded.weights) == count  # those of the surrogate are not trained
    again = loaded.evaluate(X, Y, return_dict=True, verbose=0)
    assert again["robust_accuracy"] == logs["robust_accuracy"]


def test_work_with_another_surrogate_is_not_continued(tmp_path):
    surrogate = toy.net(seed=3)
    attack = attacks.Transfer(PGD, surrogate=surrogate)
    net = toy.net()
    first = evaluate(net, attack, state_dir=tmp_path)
    assert evaluate(net, attack, state_dir=tmp_path) == first
    # Names count up in each process; weights are what counts.
    same = keras.models.clone_model(surrogate)
    same.set_weights(surrogate.get_weights())
    attack = attacks.Transfer(PGD, surrogate=same)
    assert evaluate(net, attack, state_dir=tmp_path) == first
    weights = surrogate.get_weights()
    weights[0][0, 0] += 1e-6
    surrogate.set_weights(weights)
    with pytest.raises(ValueError, match=r"differs in \['attacks'\]"):
        attack = attacks.Transfer(PGD, surrogate=surrogate)
        evaluate(net, attack, state_dir=tmp_path)


def softmax():
    return keras.Sequential([keras.Input((4,)), layers.Dense(2, "softmax")])


@pytest.mark.parametrize(
    ("surrogate", "message"),
    [
        (linear(FIRST, "narrow"), r"inputs like .*\(4,\).*Sequential, which does not"),
        (
            keras.Sequential([keras.Input((4,)), layers.Dense(3)], name="three"),
            r"`surrogate` must have the 2 classes.*'three' .*\(None, 3\)",
        ),
        (softmax(), r"`surrogate` must end in logits.*as_logits\(surrogate\)"),
    ],
    ids=["shape", "classes", "softmax"],
)
def test_a_surrogate_of_another_kind_is_refused(surrogate, message, tmp_path):
    attack = attacks.Transfer(PGD, surrogate=surrogate)
    net = toy.net()
    for given in (attack, [attack, PGD], attacks.WorstCase([PGD, attack])):
        with pytest.raises(ValueError, match=message):
            evaluate(net, given, state_dir=tmp_path)
    assert not list(tmp_path.iterdir())  # nothing that a second try would meet
    with pytest.raises(ValueError, match=message):
        attack(net, X, Y)
    with pytest.raises(ValueError, match=message):
        toy.model(mpat.training.StandardTraining(), validation_attack=attack)
