"""Verification: counts, the exact test, and examples that must fool the other side."""

import json

import numpy as np
import pytest
from keras import ops

from keras_mpat.evaluation import Verification
from keras_mpat.evaluation.verification import LEAD, leads
from keras_mpat.objectives import Margin

OURS = np.array([1, 1, 1, 0, 0, 0, 0, 1, 1, 0], bool)
THEIRS = np.array([1, 1, 1, 1, 1, 0, 0, 0, 1, 1], bool)


def found(**options):
    return Verification("other 1.0", ours=OURS, theirs=THEIRS, **options)


def test_counts_and_the_test_of_a_table_counted_by_hand():
    one = found()
    assert one.contingency == {
        "robust in both": 4,
        "broken by ours only": 3,
        "broken by theirs only": 1,
        "broken by both": 2,
    }
    assert sum(one.contingency.values()) == one.n == 10
    # 3 to 1: twice the chance of at least 3 heads of 4.
    assert one.p_value == pytest.approx(2 * (4 + 1) / 16)
    np.testing.assert_array_equal(one.disagreements, [3, 4, 7, 9])
    swapped = Verification("other", ours=THEIRS, theirs=OURS)
    assert swapped.p_value == one.p_value
    assert swapped.contingency["broken by ours only"] == 1
    same = Verification("other", ours=OURS, theirs=OURS)
    assert same.p_value == 1.0 and not len(same.disagreements)


def test_what_does_not_cross_over_is_said():
    there = np.array([0.5, 2 * LEAD, LEAD, -0.1, 0.2])
    one = found(ours_there=there, theirs_here=np.zeros(0), frameworks=("tf 2", "torch"))
    values = json.loads(json.dumps(one.to_dict()))
    proof = values["ours_on_their_framework"]
    assert (proof["n"], proof["fooled"], proof["not_fooled"]) == (5, 3, [2, 3])
    assert proof["smallest_lead"] == pytest.approx(-0.1)
    assert values["robust_accuracy"] == 0.7 and values["our_robust_accuracy"] == 0.5
    table = one.table()
    assert "Our adversarial examples on torch: 3 of 5 fool it" in table
    assert "Their adversarial examples on tf 2: there are none." in table
    assert "Their adversarial examples on the other side: not asked" in found().table()
    assert "| robust in ours | 4 | 1 |\n| broken by ours | 3 | 2 |" in table
    assert "other 1.0" in table


def test_leads_are_the_margin_of_the_attacks():
    rng = np.random.default_rng(0)
    logits, y = rng.normal(size=(50, 7)).astype("float32"), rng.integers(0, 7, 50)
    kept = logits.copy()
    tensors = map(ops.convert_to_tensor, (y, logits))
    expected = ops.convert_to_numpy(Margin(kappa=None)(*tensors))
    np.testing.assert_allclose(leads(logits, y), expected, atol=1e-6)
    np.testing.assert_array_equal(logits, kept)
    wrong = logits.argmax(axis=-1) != y
    np.testing.assert_array_equal(leads(logits, y) > 0, wrong)
    assert leads(np.array([[np.nan, 1.0]]), np.array([1]))[0] == np.inf


@pytest.mark.parametrize("count", [0, 9])
def test_verdicts_that_are_not_paired_are_refused(count):
    with pytest.raises(ValueError, match="`ours` and `theirs` must hold a verdict"):
        Verification("other", ours=OURS[:count], theirs=THEIRS[: 2 * (count // 2)])
