"""accuracy_curve and loss_surface on a linear net, where both have closed forms."""

import csv
import json

import keras
import numpy as np
import pytest
from keras import layers

import keras_mpat as mpat
from keras_mpat import attacks
from keras_mpat.evaluation import (
    accuracy_curve,
    loss_surface,
    write_curve,
    write_surface,
)
from keras_mpat.evaluation.curves import AccuracyCurve
from keras_mpat.objectives import Margin

SLOPE = np.array([1.0, -0.5, 0.25], "float32")


def linear():
    """Logits (0, 8 slope·(x - 0.5)): the distance to the boundary is known."""
    net = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
    kernel = np.stack([0 * SLOPE, 8 * SLOPE], axis=1)
    net.set_weights([kernel, np.array([0.0, -4 * SLOPE.sum()], "float32")])
    return net


def data(n=40, seed=0):
    """Inputs far from the edges of the box, a tenth of them labeled wrong."""
    x = np.random.default_rng(seed).uniform(0.3, 0.7, (n, 3)).astype("float32")
    y = ((x - 0.5) @ SLOPE > 0).astype("int32")
    y[::10] = 1 - y[::10]
    return x, y


def distances(x, y):
    """Linf distance to the boundary, below 0 where the class is wrong."""
    return (2 * y - 1) * ((x - 0.5) @ SLOPE) / np.abs(SLOPE).sum()


@pytest.mark.parametrize(
    "attack", [attacks.FGSM(mpat.Linf(0.1)), attacks.BIM(mpat.Linf(0.1), steps=2)]
)
def test_accuracy_against_epsilon_is_a_share_of_distances(attack):
    (x, y), radii = data(), [0.08, "4/255", 0.02]
    options = {"verbose": False, "batch_size": 16}
    curve = accuracy_curve(linear(), (x, y), attack, epsilon=radii, **options)
    assert curve.parameter == "epsilon"
    np.testing.assert_allclose(curve.values, [4 / 255, 0.02, 0.08])
    away = distances(x, y)
    np.testing.assert_array_equal(curve.clean, away > 0)
    for radius, correct in zip(curve.values, curve.correct, strict=True):
        np.testing.assert_array_equal(correct, away > radius)
    np.testing.assert_array_equal(curve.robust, curve.correct)
    assert curve.clean_accuracy == pytest.approx(0.9)
    assert 0 < curve.accuracy[-1] < curve.accuracy[0] < 0.9
    assert "epsilon=0.08" in curve.attacks[-1]


def test_a_step_size_that_is_given_grows_with_epsilon():
    (x, y), ball = data(), mpat.Linf(0.01)
    attack = attacks.BIM(ball, steps=2, step_size=0.005)
    curve = accuracy_curve(linear(), (x, y), attack, epsilon=[0.08], verbose=False)
    np.testing.assert_array_equal(curve.correct[0], distances(x, y) > 0.08)


def test_steps_and_restarts_are_varied_and_nothing_else():
    (x, y), ball = data(), mpat.Linf(0.08)
    attack = attacks.BIM(ball, step_size=0.02, objective=Margin(None))
    curve = accuracy_curve(linear(), (x, y), attack, steps=[4, 1], verbose=False)
    assert curve.values == (1, 4)
    for reach, correct in zip((0.02, 0.08), curve.correct, strict=True):
        np.testing.assert_array_equal(correct, distances(x, y) > reach)
    noise = attacks.PGD(ball, steps=1, step_size=0.001)
    curve = accuracy_curve(linear(), (x, y), noise, restarts=[1, 8], verbose=False)
    assert curve.values == (1, 8)
    assert np.all(curve.correct[1] <= curve.correct[0])
    assert curve.accuracy[1] < curve.accuracy[0]
    assert "restarts=8" in curve.attacks[1] and "restarts=1" in curve.attacks[0]


def test_what_was_fooled_once_stays_fooled_and_both_accuracies_are_told(tmp_path):
    correct = np.array([[1, 1, 0, 1, 0], [1, 0, 1, 1, 0], [1, 1, 0, 0, 0]], "bool")
    clean = np.array([1, 1, 1, 1, 0], "bool")
    curve = AccuracyCurve("steps", (1, 5, 9), clean, correct, ("a", "b", "c"))
    expected = [[1, 1, 0, 1, 0], [1, 0, 0, 1, 0], [1, 0, 0, 0, 0]]
    np.testing.assert_array_equal(curve.robust, np.array(expected, "bool"))
    np.testing.assert_allclose(curve.raw_accuracy, [0.6, 0.6, 0.4])
    np.testing.assert_allclose(curve.accuracy, [0.6, 0.4, 0.2])
    path = tmp_path / "curve.csv"
    write_curve(curve, path)
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["steps", "n", "raw_accuracy", "accuracy", "low", "high"]
    assert [row["raw_accuracy"] for row in rows] == ["0.6", "0.6", "0.4"]
    assert [float(row["low"]) for row in rows] == [low for low, _ in curve.intervals]
    values = json.loads(json.dumps(curve.to_dict()))
    assert values["points"][1]["accuracy"] == 0.4
    assert values["clean_accuracy"] == 0.8


def test_an_interrupted_curve_continues(tmp_path, monkeypatch):
    (x, y), attack = data(), attacks.FGSM(mpat.Linf(0.1))
    options = {"epsilon": [0.02, 0.08], "state_dir": tmp_path, "verbose": False}
    first = accuracy_curve(linear(), (x, y), attack, **options)
    names = sorted(folder.name for folder in tmp_path.iterdir())
    assert names == ["epsilon_0.02", "epsilon_0.08"]
    monkeypatch.setattr(
        "keras_mpat.evaluation.driver.Driver.work", None
    )  # nothing is done again
    again = accuracy_curve(linear(), (x, y), attack, **options)
    np.testing.assert_array_equal(again.correct, first.correct)


def loss(x, y):
    """Cross-entropy of the linear net, float64."""
    z = 8 * (x.astype("float64") - 0.5) @ SLOPE
    return np.log1p(np.exp(np.where(y == 1, -z, z)))


@pytest.mark.parametrize("ball", [mpat.Linf(0.2), mpat.L2(0.2)])
def test_a_surface_holds_the_losses_on_its_plane(ball):
    x, y = data(n=150)  # two batches
    found = loss_surface(linear(), x, y, attacks.FGSM(ball), points=5)
    np.testing.assert_allclose(found.shares, [-1, -0.5, 0, 0.5, 1])
    assert (found.loss.shape, found.accuracy.shape, found.n) == ((5, 5), (5, 5), 150)
    up = SLOPE / np.linalg.norm(SLOPE) if isinstance(ball, mpat.L2) else np.sign(SLOPE)
    step = 0.2 * np.where(y == 1, -1, 1)[:, None] * up
    for i, share in enumerate(found.shares):
        expected = loss(np.clip(x + share * step, 0, 1), y)
        np.testing.assert_allclose(found.loss[i, 2], expected.mean(), rtol=1e-4)
    assert found.accuracy[2, 2] == pytest.approx(0.9)
    right = distances(x, y) > 0
    np.testing.assert_allclose(found.accuracy[2, 2], right.mean())
    # At random it goes as often up as down: far less than along the attack.
    rise = found.loss[:, 2] - found.loss[2, 2], found.loss[2] - found.loss[2, 2]
    assert rise[0][-1] > 5 * abs(rise[1][-1]) > 0


def test_the_random_direction_has_signs_and_the_length_of_the_ball():
    """A net of one feature at a time shows it: the loss tells x_0 at each point."""
    x = np.full((1, 3), 0.5, "float32")
    net, seen = linear(), []
    for feature in range(3):
        kernel = np.zeros((3, 2), "float32")
        kernel[feature, 1] = 1.0
        net.set_weights([kernel, np.zeros(2, "float32")])
        attack = attacks.RandomNoise(mpat.Linf(0.25))
        loss = loss_surface(net, x, np.array([0]), attack, points=3).loss
        seen.append(np.log(np.expm1(loss[1])))  # x_0 at b = -1, 0, 1
    seen = np.array(seen)
    np.testing.assert_allclose(np.abs(seen[:, 2] - 0.5), 0.25, rtol=1e-5)
    np.testing.assert_allclose(seen[:, 0] + seen[:, 2], 1.0, rtol=1e-5)


def test_a_surface_stays_in_the_ball_and_the_box():
    x = np.array([[0.9, 0.05, 0.5]], "float32")
    attack = attacks.FGSM(mpat.Linf(0.3))
    found = loss_surface(linear(), x, np.array([0]), attack, points=3)
    edge = np.array([[1.0, 0.0, 0.8]])
    np.testing.assert_allclose(found.loss[2, 1], loss(edge, np.array([0])), rtol=1e-5)
    assert found.loss.max() <= found.loss[2, 1] * (1 + 1e-6)
    assert found.loss[2, 0] != found.loss[2, 2]  # corners of the plane, projected


def test_a_surface_is_written(tmp_path):
    x, y = data(n=4)
    found = loss_surface(linear(), x, y, attacks.FGSM(mpat.Linf(0.1)), points=3)
    path = tmp_path / "surface.csv"
    write_surface(found, path)
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 9
    assert rows[5] == {
        "adversarial": "0.0",
        "random": "1.0",
        "loss": str(found.loss[1, 2]),
        "accuracy": str(found.accuracy[1, 2]),
    }
    assert json.loads(json.dumps(found.to_dict()))["loss"] == found.loss.tolist()


def test_other_seeds_give_other_directions():
    x, y = data(n=4)
    attack = attacks.FGSM(mpat.Linf(0.1))
    surfaces = [
        loss_surface(linear(), x, y, attack, points=3, seed=seed).loss
        for seed in (0, 0, 1)
    ]
    np.testing.assert_array_equal(surfaces[0], surfaces[1])
    assert not np.allclose(surfaces[0], surfaces[2])
    np.testing.assert_array_equal(surfaces[0][:, 1], surfaces[2][:, 1])
