"""LatentAttack: closed forms, who judges, and what hides gradients from others."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_mpat as mpat
from keras_mpat import attacks, evaluation, noise
from keras_mpat.objectives import Margin
from tests.evaluation.planted_heads import (
    BALL,
    PROTOTYPES,
    X,
    Y,
    at,
    embedded,
    head_of,
    masked,
    saturated,
)


def features(kernel, bias, shape=(2,)):
    """Inputs -> embedding x @ kernel + bias."""
    kernel = np.array(kernel, "float32")
    model = keras.Sequential([keras.Input(shape), layers.Dense(kernel.shape[1])])
    model.set_weights([kernel, np.array(bias, "float32")])
    return model


def never_fooled(labels, classes):
    """A model under attack that is always right."""
    return lambda x: 0.0 * x[:, :1] + 9.0 * ops.one_hot(labels, classes)


@pytest.mark.parametrize("epsilon", [0.1, 0.3])
def test_toward_a_prototype_reaches_the_optimum(epsilon):
    """h = (a·x + b, 1): its angle is monotone in a·x, and so is the lead."""
    slope = np.array([0.4, -0.3, 0.2])
    embed = features(np.stack([slope, 0 * slope], axis=1), [-0.15, 1.0], (3,))
    head = head_of([at([[70, 88]]).reshape(2, 2), at([100, 130]), at([30, 55])])
    x = np.random.default_rng(0).uniform(size=(6, 3)).astype("float32")
    x[0, 0], x[1, 1] = 0.0, 1.0  # the box matters
    y, ball = np.zeros(6, "int32"), mpat.Linf(epsilon)
    attack = attacks.LatentAttack(
        ball,
        features=embed,
        head=head,
        objective=attacks.TowardPrototype(4),
        steps=8,
    )
    angle = np.rad2deg(np.arctan2(1.0, x @ slope - 0.15))
    foreign = np.array([100.0, 130, 30, 55])
    assert attack.runs(3) == 4
    for number in range(4):
        found = np.asarray(
            attack.run(never_fooled(y, 3), x, y, noise.keys(0, 6), number)
        )
        # The r-th nearest one by angle; a larger angle is a smaller a·x.
        order = np.argsort(np.abs(foreign[None] - angle[:, None]), axis=1)
        larger = foreign[order[:, number]] > 90
        sign = np.where(larger[:, None], -1.0, 1.0) * np.sign(slope)
        expected = np.clip(x + epsilon * sign, 0.0, 1.0)
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_the_raw_margin_reaches_the_optimum():
    """h·w_t - h·w_y is linear in x, whatever the length of h."""
    rng = np.random.default_rng(1)
    kernel, vectors = rng.normal(size=(5, 4)), rng.normal(size=(2, 1, 4))
    head = head_of(vectors)
    x = rng.uniform(size=(8, 5)).astype("float32")
    y = (np.arange(8) % 2).astype("int32")
    attack = attacks.LatentAttack(
        BALL,
        features=features(kernel, np.zeros(4), (5,)),
        head=head,
        objective=attacks.UnnormalizedMargin(),
        steps=6,
    )
    units = vectors[:, 0] / np.linalg.norm(vectors[:, 0], axis=1, keepdims=True)
    slopes = (units[1 - y] - units[y]) @ kernel.T
    expected = np.clip(x + 0.25 * np.sign(slopes), 0.0, 1.0)
    found = np.asarray(attack(never_fooled(y, 2), x, y))
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_matching_reaches_an_embedding_that_is_in_reach():
    x = np.array([[0.5, 0.5]] * 4, "float32")
    y = np.zeros(4, "int32")
    bank = np.array([[0.6, 0.35], [0.9, 0.9]], "float32")
    attack = attacks.LatentAttack(
        mpat.L2(0.25),
        features=features(np.eye(2), np.zeros(2)),
        objective=attacks.FeatureMatching(bank, [1, 0], neighbors=1),
    )
    found = np.asarray(attack(never_fooled(y, 2), x, y))
    np.testing.assert_allclose(found, [[0.6, 0.35]] * 4, atol=1e-3)


def test_the_model_under_attack_judges_points_on_the_way():
    """The head leads away from the only place where the model is fooled."""
    x = np.full((32, 1), 0.5, "float32")
    y = np.zeros(32, "int32")
    head = head_of([at([90])[None, 0], at([0])[None, 0]])
    attack = attacks.LatentAttack(
        BALL,
        features=features([[1.0, 0.0]], [0.0, 1.0], (1,)),
        head=head,
        objective=attacks.SimilarityMargin(),
        steps=5,
    )

    def fooled_below(z):  # class 0 is right above 0.3
        return ops.concatenate([z - 0.3, 0.3 - z], axis=-1)

    keys = noise.keys(0, 32)
    start = np.asarray(BALL.surface(x, noise.fold(keys, 0)))
    assert 5 < np.sum(start < 0.3) < 27
    found = np.asarray(attack(fooled_below, x, y, keys))
    np.testing.assert_allclose(found, np.where(start < 0.3, 0.25, 0.75), atol=1e-6)


def test_of_several_runs_the_one_that_fools_is_returned():
    """Run 0 leads to a larger first feature, run 1 to a smaller one, which fools."""
    x = np.full((9, 2), 0.5, "float32")
    y = np.zeros(9, "int32")
    options = dict(
        features=features([[1.0, 0], [0, 0]], [-0.45, 1.0]),
        head=head_of([at([90]), at([60]), at([150])]),
        steps=6,
    )

    def below(z):
        return ops.stack([z[:, 0] - 0.3, 0.3 - z[:, 0], 0 * z[:, 0] - 9], axis=-1)

    one, both = (
        attacks.LatentAttack(BALL, objective=attacks.TowardPrototype(n), **options)
        for n in (1, 2)
    )
    keys = noise.keys(4, 9)
    wrong = [
        np.asarray(Margin().fooled(y, below(attack(below, x, y, keys))))
        for attack in (one, both)
    ]
    assert not np.all(wrong[0])
    assert np.all(wrong[1])


def test_margin_steps_follow_the_objective():
    """Matching leads nowhere near the border; the margin then crosses it."""
    x = np.full((5, 2), 0.5, "float32")
    y = np.zeros(5, "int32")

    def second_feature(z):
        return ops.stack([z[:, 1] - 0.4, 0.4 - z[:, 1]], axis=-1)

    options = dict(
        features=features([[1.0], [0.0]], [0.0]),
        objective=attacks.FeatureMatching([[0.6], [0.5]], [1, 0], neighbors=1),
        steps=5,
    )
    without, followed = (
        attacks.LatentAttack(mpat.L2(0.25), margin_steps=steps, **options)
        for steps in (0, 10)
    )
    keys = noise.keys(2, 5)
    wrong = [
        np.asarray(Margin().fooled(y, second_feature(a(second_feature, x, y, keys))))
        for a in (without, followed)
    ]
    assert not np.all(wrong[0])
    assert np.all(wrong[1])


def broken(model, chosen):
    """{name: how many of the examples it fools}, all of which are right without."""
    blind = {"CE-PGD": attacks.PGD(BALL, steps=5, random_start=False)}
    result = evaluation.evaluate_robustness(
        model, (X, Y), blind | chosen, batch_size=5, verbose=False
    )
    assert result.clean_accuracy == 1.0
    return {stage.name[:6]: int(np.sum(~stage.correct)) for stage in result.stages}


def adaptive(model, *names):
    made = evaluation.prototype_attacks(
        model, BALL, train=(X, Y), twins={"none": saturated(1.0)}, steps=6
    )
    return {name: made[name] for name in made if name.startswith(names)}


def test_a_saturated_head_is_broken():
    model = saturated(1000.0)
    found = broken(model, adaptive(model, "P1", "P4", "P6 cross-entropy × 0.01", "P7"))
    assert found == {"CE-PGD": 0, "P1 mar": 5, "P4 pro": 5, "P6 cro": 5, "P7 raw": 5}


def test_a_masked_inference_path_is_broken():
    model = masked()
    found = broken(model, adaptive(model, "P2", "P3", "P4", "P5", "P7", "P8"))
    assert found.pop("CE-PGD") == 0
    assert list(found) == ["P2 sim", "P3 log", "P4 pro", "P5 fea", "P7 raw", "P8 tra"]
    assert min(found.values()) == 5


@pytest.mark.parametrize(
    "objective", [attacks.TowardPrototype(2), attacks.FeatureMatching(X, Y, 2)], ids=str
)
def test_verdicts_do_not_depend_on_the_batch_size(objective):
    inputs, embedding = embedded()
    model = keras.Model(inputs, embedding)
    attack = attacks.LatentAttack(
        mpat.Linf(0.1),
        features=model,
        head=head_of(PROTOTYPES),
        objective=objective,
        steps=3,
    )
    rng = np.random.default_rng(3)
    x = rng.uniform(0.35, 0.65, size=(30, 2)).astype("float32")
    y = (x[:, 0] < 0.5).astype("int32")
    judge = keras.Sequential([keras.Input((2,)), layers.Dense(2)])
    judge.set_weights([np.array([[9.0, -9], [3, -3]]), np.array([-6.0, 6.0])])
    results = [
        evaluation.evaluate_robustness(
            judge, (x, y), attack, batch_size=size, verbose=False
        )
        for size in (4, 30)
    ]
    assert 0 < np.sum(results[0].clean & ~results[0].robust) < results[0].clean.sum()
    assert results[0] == results[1]
