"""evaluate_robustness(certify=True): the same verdicts, with fewer attacks."""

from dataclasses import dataclass

import keras
import numpy as np
import pytest

import keras_mpat as mpat
from keras_mpat import attacks, backend, datasets, evaluation
from tests import toy


def evaluate(model, data, attack, **kwargs):
    kwargs = {"batch_size": 20, "verbose": False, **kwargs}
    return evaluation.evaluate_robustness(model, data, attack, **kwargs)


@pytest.fixture
def eager(monkeypatch):
    """Small nets need no graph, and tracing one takes a second."""
    monkeypatch.setattr(backend, "function", lambda function: function)


@pytest.fixture(scope="module")
def digits():
    """(a LeNet trained for seconds, x, y)."""
    keras.utils.set_random_seed(0)
    net = mpat.models.lenet(10, input_shape=(8, 8, 1), filters=(4, 8), units=24)
    net.compile(
        keras.optimizers.Adam(0.01),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    net.fit(*datasets.arrays("digits", "train")[:2], epochs=6, verbose=0)
    x, y, _ = datasets.arrays("digits", "test")
    return net, x[:120], y[:120]


def test_certified_examples_withstand_every_attack(digits):
    """certified <= attacked <= clean, example by example, and none is empty talk."""
    net, x, y = digits
    ball = mpat.Linf(0.02)
    suite = [
        attacks.PGD(ball, steps=20, objective=mpat.objectives.Margin(kappa=None)),
        attacks.Square(ball, queries=20),
    ]
    result = evaluate(net, (x, y), suite, batch_size=120)
    crown = evaluation.certified(net, (x, y), ball)
    assert evaluation.contradictions(crown, result) == []
    assert not np.any(crown & ~result.clean)
    assert 0.5 < crown.mean() < result.robust_accuracy < result.clean_accuracy
    ibp = evaluation.certified(net, (x, y), mpat.Linf(0.002), method="ibp")
    assert 0.1 < ibp.mean() and not np.any(ibp & ~result.clean)


@keras.saving.register_keras_serializable("keras_mpat_tests")
@dataclass(frozen=True, eq=False)
class Lazy(attacks.Attack):
    """Fools nobody, but leaves the ball if it is run on an example."""

    threat_model: mpat.ThreatModel

    def search(self, logits_fn, x, targets, keys):
        return x + 5.0


def test_what_is_certified_is_not_attacked():
    """All examples that are right are certified, so that no attack runs."""
    x, y = toy.data(30)
    net, ball = toy.net(), mpat.Linf(1e-4)
    attack = Lazy(ball)
    with pytest.raises(ValueError, match="in the ball"):
        evaluate(net, (x, y), attack)
    result = evaluate(net, (x, y), attack, certify=True)
    np.testing.assert_array_equal(result.certified, result.clean)
    np.testing.assert_array_equal(result.robust, result.clean)
    assert 0.2 < result.certified_accuracy == result.robust_accuracy < 1


def two_balls():
    """Attacks in two threat models, one of them a sequence with restarts."""
    small, large = mpat.Linf(0.02), mpat.Linf(0.1)
    noise = attacks.RandomNoise(large, restarts=2)
    chain = attacks.WorstCase([noise, attacks.FGSM(large)])
    return {"small": attacks.RandomNoise(small), "chain": chain}


@pytest.mark.usefixtures("eager")
def test_skipping_changes_no_verdict():
    data, net = toy.data(70), toy.net()
    plain = evaluate(net, data, two_balls())
    skipped = evaluate(net, data, two_balls(), certify=True)
    assert plain.certified is None and plain.certified_accuracy is None
    np.testing.assert_array_equal(skipped.robust, plain.robust)
    for one, other in zip(skipped.stages, plain.stages, strict=True):
        np.testing.assert_array_equal(one.correct, other.correct)
        for part, twin in zip(one.parts, other.parts, strict=True):
            np.testing.assert_array_equal(part.correct, twin.correct)
    # In the larger ball, which certifies less: robust against every attack.
    large = evaluation.certified(net, data, mpat.Linf(0.1))
    np.testing.assert_array_equal(skipped.certified, large)
    small = evaluation.certified(net, data, mpat.Linf(0.02))
    assert 0 < large.sum() < small.sum() < plain.clean.sum()
    assert evaluation.contradictions(large, plain) == []
    assert np.any(small & ~plain.stages[1].correct)  # one proof is not for all balls


class _Stop(Exception):
    pass


def count_batches(patch, limit=10**6):
    """Attacked batches are counted; after so many, evaluation dies."""
    from keras_mpat.evaluation import driver, state

    real, done = driver.Driver._attack, []

    def attack(self, *arguments):
        if len(done) == limit:
            raise _Stop
        done.append(1)
        return real(self, *arguments)

    patch.setattr(driver.Driver, "_attack", attack)
    patch.setattr(state, "_EVERY", -1.0)
    return done


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("interrupted", [pytest.param(0, marks=pytest.mark.slow), 6])
def test_an_interrupted_evaluation_continues(tmp_path, monkeypatch, interrupted):
    options = dict(batch_size=8, certify=True)
    arguments = toy.net(), toy.data(150), two_balls()
    with monkeypatch.context() as patch:
        done = count_batches(patch)
        expected, count = evaluate(*arguments, **options), len(done)
        evaluate(*arguments, batch_size=8)
        assert 6 < count < len(done) - count
    options["state_dir"] = tmp_path / "state"
    with monkeypatch.context() as patch:
        count_batches(patch, interrupted)
        with pytest.raises(_Stop):
            evaluate(*arguments, **options)
    with monkeypatch.context() as patch:
        done = count_batches(patch)
        assert evaluate(*arguments, **options) == expected
    assert len(done) == count - interrupted
    with pytest.raises(ValueError, match=r"differs in \['certify'\]"):
        evaluate(*arguments, **{**options, "certify": False})


def test_certify_must_be_a_switch():
    with pytest.raises(ValueError, match="`certify` must be True or False"):
        evaluate(toy.net(), toy.data(), attacks.FGSM(mpat.Linf(0.1)), certify="crown")
