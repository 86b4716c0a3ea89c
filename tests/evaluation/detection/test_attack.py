"""DetectorAttack on a planted net: what PGD does shows, and need not."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_mpat as mpat
from keras_mpat import attacks, evaluation, noise
from keras_mpat.evaluation import (
    Detector,
    DetectorAttack,
    Judged,
    attacked,
    evaluate_detection,
    worst_judged,
)

BALL = mpat.Linf(0.35)


def examples(n=80, seed=0):
    """Two classes at 0.3 and 0.7 in the first feature; the others are always 0.5."""
    rng = np.random.default_rng(seed)
    y = (np.arange(n) % 2).astype("int32")
    x = 0.5 + 0.02 * rng.normal(size=(n, 4))
    x[:, 0] += np.where(y == 1, 0.2, -0.2)
    return x.astype("float32"), y


def identity(size=4):
    """The embedding of an example is the example."""
    model = keras.Sequential([keras.Input((size,)), layers.Dense(size, use_bias=False)])
    model.set_weights([np.eye(size, dtype="float32")])
    return model


def classifier():
    """Looks at the first feature alone."""
    model = keras.Sequential([keras.Input((4,)), layers.Dense(2)])
    kernel = np.zeros((4, 2), "float32")
    kernel[0] = -20.0, 20.0
    model.set_weights([kernel, np.array([10.0, -10.0], "float32")])
    return model


def fitted(covariance="full"):
    x, y = examples(seed=1)
    return Detector(covariance, normalize=False).fit(x, y)


def adaptive(ball=BALL, **options):
    parts = {"features": identity(), "detector": fitted()}
    return DetectorAttack(ball, **parts | options)


def judged(x, detector):
    logits = ops.convert_to_numpy(classifier()(x, training=False))
    return Judged(np.argmax(logits, axis=-1), detector.score(x))


def test_an_attack_that_knows_the_detector_escapes_where_pgd_is_caught():
    (x, y), net, detector = examples(), classifier(), fitted()
    oblivious = attacked(net, x, y, attacks.PGD(BALL, steps=10))
    knowing = attacked(net, x, y, adaptive(steps=40))
    clean, first, second = (judged(a, detector) for a in (x, oblivious, knowing))
    caught = evaluate_detection(clean, first, y)
    assert caught.adversarial_errors == 1.0
    assert caught.auc > 0.99 and caught.escaped < 0.05 and caught.tpr > 0.95
    worst, taken = worst_judged(first, second, y)
    escaping = evaluate_detection(clean, worst, y)
    assert escaping.auc < 0.75 and escaping.escaped > 0.6
    assert taken.mean() > 0.9
    distance = np.abs(knowing - x).max(axis=1)
    assert distance.max() <= 0.35 + 1e-6 and knowing.min() >= 0 <= 1 >= knowing.max()


def test_the_most_trusted_point_in_reach_is_found():
    """Of one Gaussian per class with its mean in reach, the mean itself."""
    x, y = examples(n=16)
    detector = fitted("diagonal")
    attack = adaptive(mpat.Linf(0.45), detector=detector, steps=100)
    found = attacked(classifier(), x, y, attack)
    means = detector._fitted.means[1 - y]  # of the other class
    np.testing.assert_allclose(found, means, atol=5e-3)


def test_right_answers_are_moved_as_close_to_an_error_as_can_be():
    x, y = examples(n=16)
    found = attacked(classifier(), x, y, adaptive(mpat.Linf(0.1), steps=10))
    sign = np.where(y == 0, 1, -1)
    np.testing.assert_allclose(found[:, 0], x[:, 0] + 0.1 * sign, atol=1e-6)


def test_of_two_errors_a_run_keeps_the_more_trusted_one():
    x, y = examples(n=32)
    attack, keys = adaptive(steps=5, restarts=3), noise.keys(0, 32)
    net, detector = classifier(), attack.detector
    runs = [
        ops.convert_to_numpy(attack.run(net, x, y, keys, number)) for number in range(3)
    ]
    each = [judged(found, detector) for found in runs]
    result = judged(ops.convert_to_numpy(attack(net, x, y, keys)), detector)
    worst = each[0]
    for one in each[1:]:
        worst, _ = worst_judged(worst, one, y)
    np.testing.assert_array_equal(result.predicted, worst.predicted)
    wrong = worst.predicted != y
    assert wrong.mean() > 0.9
    np.testing.assert_allclose(
        result.confidence[wrong], worst.confidence[wrong], rtol=1e-3
    )
    assert any(
        not np.allclose(one.confidence[wrong], worst.confidence[wrong]) for one in each
    )


def test_the_first_run_starts_at_the_clean_image_and_others_elsewhere():
    x, y = examples(n=4)
    attack, keys = adaptive(mpat.Linf(1e-3), steps=1), noise.keys(0, 4)
    first, second = (
        ops.convert_to_numpy(attack.run(classifier(), x, y, keys, number)) - x
        for number in (0, 1)
    )
    np.testing.assert_allclose(first[:, 1:], 0.0, atol=1e-7)  # no gradient there
    assert np.abs(second[:, 1:]).min() > 1e-6


def test_attacked_gives_every_example_whatever_the_batches():
    x, y = examples(n=10)
    attack = attacks.PGD(BALL, steps=2)
    whole = attacked(classifier(), x, y, attack)
    np.testing.assert_array_equal(
        attacked(classifier(), x, y[:, None], attack, batch_size=3), whole
    )
    assert not np.array_equal(attacked(classifier(), x, y, attack, seed=1), whole)
    assert evaluation.evaluate_robustness(
        classifier(), (x, y), attack, verbose=False
    ).robust_accuracy == pytest.approx(np.mean(judged(whole, fitted()).predicted == y))


def test_a_config_keeps_the_detector_and_another_one_is_another_attack():
    attack = adaptive(steps=7)
    config = keras.saving.serialize_keras_object(attack)
    again = keras.saving.deserialize_keras_object(config)
    assert again == attack and repr(again) == repr(attack)
    assert again.detector == attack.detector
    other = adaptive(steps=7, detector=fitted("tied"))
    assert other != attack and repr(other) != repr(attack)
