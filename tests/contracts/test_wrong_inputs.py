"""Each wrong input is named before anything has moved, in one form: see the table."""

import re

import numpy as np
import pytest

import keras_mpat as mpat
from keras_mpat.choices import nearest
from tests import toy
from tests.contracts import write_errors
from tests.contracts.wrong_inputs_table import TABLES, message, state

ROWS = [row for rows in TABLES.values() for row in rows]
EACH = pytest.mark.parametrize("row", ROWS, ids=[row.mistake for row in ROWS])
_SENTENCES = 5


@pytest.mark.one_backend
@EACH
def test_each_message_names_the_argument_what_was_received_and_the_fix(row):
    before = state()
    text = message(row)
    if not row.late:
        for old, new in zip(before, state(), strict=True):
            np.testing.assert_array_equal(new, old)
    must, received, rest = text.partition(" Received: ")
    assert received, text
    assert re.match(r"`[\w.]+(='\w+')?`", must), text
    fix = re.split(r"(?<=[^.])[.?] (?=[A-Z0-9])", rest, maxsplit=1)
    assert len(fix) == 2 and len(fix[1]) > 5, text
    assert len(text) <= 450 and "\n" not in text, text
    sentences = re.findall(r"[.?](?= [A-Z]|$)", text)
    assert 2 <= len(sentences) <= _SENTENCES, text
    assert "0x" not in text and "tf." not in text.replace("tf.data", ""), text


@pytest.mark.one_backend
def test_mistakes_are_told_apart_and_every_message_is_in_the_document():
    assert len({row.mistake for row in ROWS}) == len(ROWS) > 200
    assert len({row.code for row in ROWS}) == len(ROWS)
    text = write_errors.PATH.read_text(encoding="utf-8")
    assert text == write_errors.document(), "stale: run `make docs`"


def test_a_later_batch_is_named_only_after_the_epoch_was_trained():
    x, y = toy.data(16)
    for wrong in ((x * 255, y), (x, y + 1), (np.where(x > 0.7, np.nan, x), y)):
        model = toy.model(mpat.training.StandardTraining(), validation_attack=None)
        if wrong[0].max() > 1:  # no threat model, no bounds
            model = toy.model(
                mpat.training.PGDTraining(mpat.Linf(0.1), steps=1), eager=False
            )
        before = toy.values(model.trainable_variables)
        with pytest.raises(ValueError, match="Received: .* examples .* in epoch 1"):
            model.fit(toy.stream((x, y), wrong), steps_per_epoch=2, verbose=0)
        after = toy.values(model.trainable_variables)
        pairs = zip(before, after, strict=True)
        assert not all(np.array_equal(*pair) for pair in pairs)
        model.fit(x, y, verbose=0)  # what was counted is forgotten
        model.evaluate(x, y, verbose=0)


def test_violations_are_counted_once_and_per_example():
    x, y = toy.data(16)
    far, other = x.copy(), y.copy()
    far[:3] = 7.0
    other[:2] = -1
    strategy = mpat.training.FreeTraining(mpat.Linf(0.1), replays=3, batch_size=16)
    model = toy.model(strategy, eager=False)
    for batch, text in (((far, y), "3 examples outside"), ((x, other), "2 examples")):
        with pytest.raises(ValueError, match=f"Received: {text}"):
            model.fit(toy.stream((x, y), batch), steps_per_epoch=2, verbose=0)


def test_the_first_batch_of_a_generator_is_trained_on_too():
    x, y = toy.data(16)
    arrays, streamed = (toy.model(mpat.training.StandardTraining()) for _ in range(2))
    arrays.fit(x, y, batch_size=8, shuffle=False, verbose=0)
    batches = toy.stream((x[:8], y[:8]), (x[8:], y[8:]))
    streamed.fit(batches, steps_per_epoch=2, verbose=0)
    toy.assert_same(
        toy.values(arrays.trainable_variables), toy.values(streamed.trainable_variables)
    )


@pytest.mark.parametrize("kind", [mpat.Linf, mpat.L2])
def test_every_attack_in_a_ball_of_epsilon_zero_returns_its_input(kind):
    x, y = toy.data(16)
    ball = kind(0)
    for attack in (
        mpat.attacks.FGSM(ball),
        mpat.attacks.RFGSM(ball),
        mpat.attacks.BIM(ball, steps=2),
        mpat.attacks.PGD(ball, steps=2, restarts=2),
        mpat.attacks.MIM(ball, steps=2),
        mpat.attacks.CW(ball, steps=2),
        mpat.attacks.RandomNoise(ball),
        mpat.attacks.FAB(ball, steps=2, restarts=2),
    ):
        np.testing.assert_array_equal(np.asarray(attack(toy.net(), x, y)), x)


def test_l2_may_reach_the_far_corner_and_no_further():
    x, y = toy.data(4)
    mpat.attacks.FGSM(mpat.L2(2.0))(toy.net(), x, y)  # range * sqrt(4)
    mpat.attacks.FGSM(mpat.L2([0.0, 9, 9, 9]))(toy.net(), x, y)  # one is fixed
    for epsilon in (2.01, [9.0, 9, 9, 9]):
        with pytest.raises(ValueError, match="`epsilon` of L2"):
            mpat.attacks.FGSM(mpat.L2(epsilon))(toy.net(), x, y)


def test_gray_levels_that_are_declared_train_as_uint8():
    x, y = toy.data(16)
    levels = np.round(255 * x).astype("uint8")
    strategy = mpat.training.PGDTraining(mpat.Linf("8/255", bounds=(0, 255)), steps=1)
    weights = []
    for data in (levels, levels.astype("float32")):
        model = toy.model(strategy)
        model.fit(data, y, shuffle=False, verbose=0)
        weights.append(toy.values(model.trainable_variables))
    toy.assert_same(*weights)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("mnits", "mnist"),
        ("MNIST-2", "mnist_2"),
        ("cifar", "cifar10"),
        ("imagenet", None),
        (10, None),
    ],
)
def test_the_nearest_name_is_found_or_none(value, expected):
    assert nearest(value, ("digits", "mnist", "mnist_2", "cifar10")) == expected
