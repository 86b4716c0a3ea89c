"""A table with one epsilon and one range per column, and columns that cannot move."""

import numpy as np
import tabular

import keras_mpat as mpat


def test_each_column_keeps_to_its_own_rules():
    (x, y), (x_test, y_test), bounds, names = tabular.table()
    ball = tabular.adversary(x, bounds, names)
    strategy = mpat.training.PGDTraining(ball, steps=3)
    classifier = tabular.train((x, y), strategy, epochs=20)
    guesses = np.argmax(classifier.predict(x_test, verbose=0), axis=-1)
    assert np.mean(guesses == y_test) > 0.9
    attack = mpat.attacks.PGD(ball, steps=10)
    logits_fn = mpat.AdversarialModel(classifier, strategy=strategy).logits_fn()
    x_adv = np.asarray(attack(logits_fn, x_test, y_test))
    moved = np.abs(x_adv - x_test)
    epsilon = tabular.SHARE_OF_DEVIATION * x.std(axis=0)
    fixed = np.array(["error" in name for name in names])
    assert fixed.sum() == 10 and np.all(moved[:, fixed] == 0)
    assert np.all(moved <= epsilon * (1 + 1e-5) + 1e-4 * np.abs(x_test))
    assert np.all(x_adv >= bounds[0]) and np.all(x_adv <= bounds[1])
    # The adversary uses what it may: most of a movable column's epsilon, in its unit.
    assert np.all(np.median(moved[:, ~fixed] / epsilon[~fixed], axis=0) > 0.5)
    attacked = np.argmax(classifier.predict(x_adv, verbose=0), axis=-1)
    assert np.mean(attacked == y_test) < np.mean(guesses == y_test)
