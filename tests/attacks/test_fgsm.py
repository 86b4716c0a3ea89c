"""FGSM and RFGSM: the vectors of the method notes."""

import numpy as np
import pytest
from keras import ops

from keras_mpat import attacks
from keras_mpat.threat_models import L2, Linf


def _linear(weights):
    weights = np.array(weights, "float32")
    return lambda x: ops.matmul(x, weights.T)


def test_fgsm_vector():
    logits_fn = _linear([[1, -2, 0.5], [-1, 1, 0.25]])
    x = np.array([[0.5, 0.02, 0.99]], "float32")
    result = attacks.FGSM(Linf(0.1))(logits_fn, x, np.array([0]))
    np.testing.assert_allclose(
        ops.convert_to_numpy(result), [[0.4, 0.12, 0.89]], atol=1e-6
    )


def test_fgsm_l2_is_one_step_along_the_unit_gradient():
    logits_fn = _linear([[1, -2, 0.5], [-1, 1, 0.25]])
    x = np.array([[0.5, 0.3, 0.6]], "float32")
    result = attacks.FGSM(L2(0.1))(logits_fn, x, np.array([0]))
    gradient = np.array([-2.0, 3.0, -0.25])
    np.testing.assert_allclose(
        ops.convert_to_numpy(result),
        x + 0.1 * gradient / np.linalg.norm(gradient),
        atol=1e-6,
    )


class _FromU(Linf):
    """The random start of the vector: u = (.05, -.08)."""

    def sample(self, x, keys):
        return self.project(x + np.array([[0.05, -0.08]], "float32"), x)


def test_rfgsm_vector_with_its_default_step():
    logits_fn = _linear([[0.2, -0.1], [0.0, 0.3]])
    x = np.array([[0.5, 0.97]], "float32")
    attack = attacks.RFGSM(_FromU(0.1))
    assert attack.step_length == pytest.approx(0.125)
    result = attack(logits_fn, x, np.array([0]))
    np.testing.assert_allclose(ops.convert_to_numpy(result), [[0.425, 1.0]], atol=1e-6)


def test_fgsm_with_a_shorter_step_and_a_target():
    logits_fn = _linear([[1, 0], [0, 1], [-1, -1]])
    x = np.array([[0.5, 0.5]], "float32")
    attack = attacks.FGSM(Linf(0.1), step_size=0.04, target=attacks.NextLabel())
    result = ops.convert_to_numpy(attack(logits_fn, x, np.array([0])))
    # Towards class 1: down in the first feature, up in the second.
    np.testing.assert_allclose(result, [[0.46, 0.54]], atol=1e-6)


def test_defaults_follow_the_radius():
    assert attacks.FGSM(Linf("8/255")).step_length == pytest.approx(8 / 255)
    assert attacks.RFGSM(Linf("8/255")).step_length == pytest.approx(10 / 255)
    assert attacks.BIM(Linf(0.1), steps=5).step_length == pytest.approx(0.05)
    assert attacks.MIM(Linf(0.1), steps=5).step_length == pytest.approx(0.02)
    assert attacks.CW(Linf(0.1), steps=5).step_length == pytest.approx(0.05)


def test_bim_is_pgd_from_the_image():
    logits_fn = _linear([[1, -2, 0.5], [-1, 1, 0.25]])
    x, y = np.array([[0.5, 0.02, 0.99]], "float32"), np.array([0])
    result = attacks.BIM(Linf(0.1), steps=2, step_size=0.04)(logits_fn, x, y)
    np.testing.assert_allclose(
        ops.convert_to_numpy(result), [[0.42, 0.1, 0.91]], atol=1e-6
    )
