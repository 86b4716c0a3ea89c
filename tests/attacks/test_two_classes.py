"""With two classes there is one wrong class, so several attacks are the same."""

import numpy as np
import pytest
from keras import ops

from keras_mpat import attacks, noise
from keras_mpat.attacks import PGD
from keras_mpat.objectives import Margin
from keras_mpat.threat_models import L2, Linf


def _numpy(tensor):
    return ops.convert_to_numpy(tensor)


def _two_class_net(seed=0):
    rng = np.random.default_rng(seed)
    first = rng.normal(size=(12, 16)).astype("float32")
    second = rng.normal(size=(16, 2)).astype("float32") * 0.3

    def logits_fn(x):
        return ops.matmul(ops.tanh(ops.matmul(x, first)), second)

    x = rng.uniform(size=(20, 12)).astype("float32")
    return logits_fn, x, rng.integers(2, size=20)


@pytest.mark.parametrize("norm", [Linf, L2])
@pytest.mark.parametrize(
    "target",
    [attacks.LeastLikely(), attacks.NextLabel(), attacks.RandomLabel()],
    ids=["least likely", "next", "random"],
)
def test_with_two_classes_targeted_untargeted_and_cw_are_one_attack(norm, target):
    logits_fn, x, y = _two_class_net()
    ball, keys = norm(0.2), noise.keys(0, 20)
    untargeted = _numpy(PGD(ball, steps=6)(logits_fn, x, y, keys))
    targeted = _numpy(PGD(ball, steps=6, target=target)(logits_fn, x, y, keys))
    cw = _numpy(attacks.CW(ball, steps=6)(logits_fn, x, y, keys))
    cw_targeted = attacks.CW(ball, steps=6, target=target)(logits_fn, x, y, keys)
    np.testing.assert_allclose(targeted, untargeted, atol=1e-6)
    np.testing.assert_allclose(cw, untargeted, atol=1e-6)
    np.testing.assert_allclose(_numpy(cw_targeted), untargeted, atol=1e-6)
    fooled = _numpy(ops.argmax(logits_fn(untargeted), -1)) != y
    clean = _numpy(ops.argmax(logits_fn(ops.convert_to_tensor(x)), -1)) != y
    assert fooled.sum() > clean.sum()


def test_cw_is_pgd_on_the_margin_and_its_kappa_counts():
    logits_fn, x, y = _two_class_net(1)
    keys = noise.keys(0, 20)
    pgd = PGD(Linf(0.3), steps=6, restarts=2, objective=Margin(1.0))
    cw = attacks.CW(Linf(0.3), steps=6, restarts=2, kappa=1.0)
    result = _numpy(cw(logits_fn, x, y, keys))
    np.testing.assert_array_equal(result, _numpy(pgd(logits_fn, x, y, keys)))
    further = attacks.CW(Linf(0.3), steps=6, restarts=2)(logits_fn, x, y, keys)
    assert not np.array_equal(result, _numpy(further))  # kappa = 1 stops early
