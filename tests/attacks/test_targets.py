"""Target rules: relative to the true label, never the true label."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_mpat import attacks, backend, noise
from keras_mpat.threat_models import Linf

RULES = [attacks.LeastLikely(), attacks.NextLabel(), attacks.RandomLabel()]


def _targets(rule, labels, logits, seed=0):
    keys = noise.keys(seed, len(labels))
    labels = ops.convert_to_tensor(np.asarray(labels, "int32"))
    logits = ops.convert_to_tensor(np.asarray(logits, "float32"))
    targets = ops.convert_to_numpy(rule(labels, logits, keys))
    assert targets.dtype == np.int32 and targets.shape == (len(labels),)
    return targets


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
@pytest.mark.parametrize("num_classes", [2, 3, 10])
def test_target_is_a_class_but_never_the_label(rule, num_classes):
    rng = np.random.default_rng(0)
    labels = rng.integers(num_classes, size=500)
    logits = rng.normal(size=(500, num_classes))
    logits[:100, 0] = logits[100:200, -1] = -1e6  # the label is often the least likely
    targets = _targets(rule, labels, logits)
    assert targets.min() >= 0 and targets.max() < num_classes
    assert np.all(targets != labels)


def test_least_likely_is_the_lowest_other_logit():
    logits = [[3, 1, 2], [3, 1, 2], [-9, -9, 5]]
    assert _targets(attacks.LeastLikely(), [0, 1, 0], logits).tolist() == [1, 2, 1]


def test_next_label_wraps_around():
    assert _targets(attacks.NextLabel(), [0, 1, 2], np.zeros((3, 3))).tolist() == [
        1,
        2,
        0,
    ]


def test_random_label_is_uniform_over_the_others():
    labels = np.repeat(np.arange(5), 2000)
    targets = _targets(attacks.RandomLabel(), labels, np.zeros((10000, 5)))
    for label in range(5):
        counts = np.bincount(targets[labels == label], minlength=5)
        others = np.delete(counts, label)
        assert counts[label] == 0
        assert np.all(np.abs(others - 500) < 5 * np.sqrt(500 * 0.75))
    again = _targets(attacks.RandomLabel(), labels, np.zeros((10000, 5)))
    np.testing.assert_array_equal(targets, again)
    other = _targets(attacks.RandomLabel(), labels, np.zeros((10000, 5)), seed=1)
    assert not np.array_equal(targets, other)


def test_targeted_attack_reaches_its_target_and_does_not_change_its_mind():
    # Own logits: class 2 is the least likely on the clean image only.
    x = np.array([[0.6, 0.55, 0.5], [0.6, 0.5, 0.55]], "float32")
    labels = np.array([0, 0])
    attack = attacks.PGD(
        Linf(0.2), steps=4, random_start=False, target=attacks.LeastLikely()
    )
    result = ops.convert_to_numpy(attack(lambda x: x, x, labels))
    assert result.argmax(-1).tolist() == [2, 1]
    compiled = backend.function(lambda x: attack(lambda x: x, x, labels))
    np.testing.assert_allclose(
        ops.convert_to_numpy(compiled(ops.convert_to_tensor(x))), result, atol=1e-6
    )


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
def test_rule_survives_its_config(rule):
    config = keras.saving.serialize_keras_object(rule)
    again = keras.saving.deserialize_keras_object(config)
    assert again == rule and repr(again) == f"{type(rule).__name__}()"
    assert all((again == other) == (other is rule) for other in RULES)
