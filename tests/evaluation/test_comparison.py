"""Paired comparisons: exact tests against enumeration, and when a verdict is given."""

import itertools

import numpy as np
import pytest

from keras_mpat import evaluation
from keras_mpat.evaluation.comparison import sign_flip_test


def result(robust):
    robust = np.asarray(robust, "bool")
    stage = evaluation.Stage("PGD", "PGD()", robust, 1.0)
    return evaluation.RobustnessResult(np.ones_like(robust), robust, (stage,), 0.0, 0)


@pytest.mark.parametrize(
    "differences",
    [[1, -1, 1, 1, 0], [2, -1, 1, 0, 3], [1] * 10, [0, 0], [-3, -3, 2], []],
    ids=str,
)
def test_p_value_is_the_share_of_sign_flips_that_are_as_extreme(differences):
    flips = itertools.product((-1, 1), repeat=len(differences))
    sums = [abs(int(np.dot(signs, differences))) for signs in flips]
    expected = np.mean(np.array(sums) >= abs(sum(differences)))
    assert sign_flip_test(np.array(differences, int)) == pytest.approx(expected)


def test_one_seed_is_the_exact_mcnemar_test():
    """15 against 5 of 20 discordant images: 2 P(Bin(20, 1/2) <= 5) = 0.0414."""
    first = result([1] * 15 + [0] * 5 + [1] * 80)
    second = result([0] * 15 + [1] * 5 + [1] * 80)
    found = evaluation.compare([first], [second])
    assert found.p_values[0] == pytest.approx(0.041389, abs=1e-6)
    assert found.differences == pytest.approx([0.1])


def test_large_samples_neither_overflow_nor_underflow():
    rng = np.random.default_rng(0)
    differences = rng.integers(-3, 4, 10_000)
    differences[:300] = np.abs(differences[:300])
    p_value = sign_flip_test(differences)
    spread = np.sqrt(np.sum(differences**2))
    z = abs(differences.sum()) / spread
    from scipy.stats import norm

    assert p_value == pytest.approx(2 * norm.sf(z), rel=0.1)


def seeds(gain, *, n=400, base=0.6, count=3, shared=True):
    """Results of two methods: the first is right on `gain[s]` more images."""
    firsts, seconds = [], []
    for s in range(count):
        start = 0 if shared else s * 40
        second = np.arange(n) < base * n
        first = second.copy()
        flipped = np.arange(start, start + abs(gain[s]))
        side = first if gain[s] < 0 else second
        side[flipped] = False
        firsts.append(result(first))
        seconds.append(result(second))
    return firsts, seconds


def test_verdicts():
    assert evaluation.compare(*seeds([20, 25, 30])).verdict == "better"
    assert evaluation.compare(*seeds([-20, -25, -30])).verdict == "worse"
    # One seed that disagrees, or a gain of a few images, decides nothing.
    assert evaluation.compare(*seeds([40, 40, -5])).verdict == "undecided"
    assert evaluation.compare(*seeds([2, 3, 2])).verdict == "undecided"
    assert evaluation.compare(*seeds([0, 0, 0])).verdict == "undecided"


def test_seeds_that_fail_on_the_same_images_count_once():
    """4 images in each of 3 seeds: 2^-11 if they were independent, 2^-3 if the same."""
    same = evaluation.compare(*seeds([4, 4, 4], shared=True))
    other = evaluation.compare(*seeds([4, 4, 4], shared=False))
    assert same.p_value == pytest.approx(2**-3)
    assert other.p_value == pytest.approx(2**-11)
    assert (same.verdict, other.verdict) == ("undecided", "better")


def test_table_and_dict():
    found = evaluation.compare(*seeds([20, 25, 30]), names=("MPAT", "plain"))
    text = found.table()
    assert "| seed | MPAT | plain |" in text and "| worst | 60.00 | 52.50 |" in text
    assert "MPAT is better than plain" in text and "3 seeds, n = 400" in text
    assert found.to_dict()["verdict"] == "better"
    assert "Undecided between" in evaluation.compare(*seeds([1, 1, 1])).table()


@pytest.mark.parametrize(
    "first, second",
    [([], []), ([[1, 0]], [[1, 0], [1, 1]]), ([[1, 0]], [[1, 0, 1]])],
    ids=["none", "seeds", "images"],
)
def test_results_that_cannot_be_paired_are_refused(first, second):
    with pytest.raises(ValueError, match="`first` and `second` must hold one result"):
        evaluation.compare(list(map(result, first)), list(map(result, second)))
