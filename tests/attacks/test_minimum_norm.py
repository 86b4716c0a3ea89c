"""What the closest points of all minimum-norm attacks have in common."""

import numpy as np
import pytest
from keras import ops

from keras_mpat import backend
from keras_mpat.attacks import CWL2, FAB, FMN
from keras_mpat.attacks.minimum_norm import SureLead
from keras_mpat.threat_models import L2, Linf
from tests.balls import to_numpy, to_tensor
from tests.linear import away_from_the_box

ATTACKS = {
    "FAB": FAB(L2(0.1), steps=8),
    "FAB Linf": FAB(Linf(0.1), steps=8),
    "FMN": FMN(L2(0.1), steps=20, target_classes="all"),
    "CWL2": CWL2(L2(0.1), steps=60, binary_search_steps=5, initial_const=0.1),
}


def _given(num_classes=2):
    weights, bias, x, y = away_from_the_box(num_classes)
    return weights, bias, x, y.astype("int32"), lambda x: ops.matmul(x, weights) + bias


@pytest.mark.parametrize("name", list(ATTACKS))
def test_closest_points_are_misclassified_without_rounding(name):
    """In float64 and alone: float32 sums in another order by the size of a batch."""
    weights, bias, x, y, logits_fn = _given()
    attack = ATTACKS[name]
    compiled = backend.function(lambda x, y: attack.closest(logits_fn, x, y, seed=0))
    x_adv, distance = map(to_numpy, compiled(to_tensor(x), ops.convert_to_tensor(y)))
    found, rows = np.isfinite(distance), np.arange(len(x))
    assert found.sum() >= 50
    exact = x_adv.astype("float64") @ weights.astype("float64") + bias
    lead = exact[rows, 1 - y] - exact[rows, y]
    assert lead[found].min() > 3e-7
    alone = [to_numpy(logits_fn(to_tensor(row[None]))).argmax() for row in x_adv]
    assert np.all((np.array(alone) != y)[found])


def test_a_lead_counts_above_the_rounding_of_its_terms():
    weights, bias, x, y, logits_fn = _given(3)
    lead = SureLead(logits_fn, to_tensor(x), y)
    clean = x @ weights + bias
    others = np.where(np.eye(3)[y] > 0, -np.inf, clean)
    slopes = weights[:, others.argmax(1)] - weights[:, y]
    terms = np.abs(slopes.T * x).sum(1) + np.abs(clean).max(1)
    np.testing.assert_allclose(to_numpy(lead.rounding), 5e-7 * terms, rtol=1e-4)
    tied = np.zeros((len(x), 3), "float32")
    assert np.all(to_numpy(lead(to_tensor(tied))) < 0)
    tied[np.arange(len(x)), (y + 1) % 3] = 2 * to_numpy(lead.rounding)
    assert np.all(to_numpy(lead(to_tensor(tied))) > 0)
    tied[0, 0] = np.nan
    assert np.isinf(to_numpy(lead(to_tensor(tied)))[0])


def test_the_distance_of_what_is_misclassified_is_zero_by_any_lead():
    weights, bias, x, y, _ = _given()

    def tied(x):  # the wrong class leads by one rounding
        logits = 0.0 * (ops.matmul(x, weights) + bias) + 1.0
        return logits + ops.one_hot(1 - y, 2, dtype="float32") * 1.2e-7

    for attack in ATTACKS.values():
        x_adv, distance = attack.closest(tied, to_tensor(x), y)
        np.testing.assert_array_equal(to_numpy(distance), 0.0)
        np.testing.assert_array_equal(to_numpy(x_adv), x)
