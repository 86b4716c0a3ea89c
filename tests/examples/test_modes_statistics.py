"""The figures of examples/modes.py: fractions, intervals and p-values."""

import itertools

import modes_statistics
import numpy as np
import pytest

OPTIONS = {"draws": 2000, "level": 0.95, "seed": 0}


def verdicts(rng, share, seeds=8, count=500):
    return ["".join(map(str, (rng.random(count) < share) * 1)) for _ in range(seeds)]


def test_the_recovered_fraction_of_known_counts():
    found = modes_statistics.recovered(
        ["1000", "1100"], ["1100", "1110"], ["1110", "1111"], **OPTIONS
    )
    # Accuracies 3/8, 5/8, 7/8.
    assert found.gain == pytest.approx(0.25) and found.fraction == pytest.approx(0.5)
    assert modes_statistics.fraction_of(0.5, 0.6, 0.7) == pytest.approx(0.5)
    assert modes_statistics.fraction_of(0.5, 0.6, 0.5) is None
    alone = modes_statistics.recovered(["10"], ["11"], None, **OPTIONS)
    assert alone.fraction is None and alone.interval is None and alone.gain == 0.5


@pytest.mark.parametrize("seeds", [1, 3, 8])
def test_equal_signs_have_two_of_all_outcomes(seeds):
    found = modes_statistics.recovered(
        ["1000"] * seeds, ["1110"] * seeds, None, **OPTIONS
    )
    assert found.p_value == pytest.approx(2 / 2**seeds)


def test_the_permutation_test_counts_all_signs():
    none, arm = ["1100", "1000", "1110", "0000"], ["1110", "1111", "1100", "1000"]
    gaps = [1, 3, -1, 1]
    sums = [
        abs(sum(sign * gap for sign, gap in zip(signs, gaps, strict=True)))
        for signs in itertools.product((-1, 1), repeat=4)
    ]
    found = modes_statistics.recovered(none, arm, None, **OPTIONS)
    assert found.p_value == pytest.approx(np.mean([s >= sum(gaps) for s in sums]))


def test_the_bootstrap_is_that_of_drawing_rows_one_by_one():
    rng = np.random.default_rng(5)
    sizes = (40, 60, 50)
    flags = [rng.random((3, n)) < np.array([[0.3], [0.5], [0.8]]) for n in sizes]
    flags[0][1] |= flags[0][0]  # arms are right on the same images
    drawn = modes_statistics.bootstrap(flags, draws=4000, seed=1)
    slow = np.empty((4000, 3))
    for row in range(4000):
        means = []
        for seed in rng.integers(3, size=3):
            chosen = rng.integers(sizes[seed], size=sizes[seed])
            means.append(flags[seed][:, chosen].mean(axis=1))
        slow[row] = np.mean(means, axis=0)
    np.testing.assert_allclose(drawn.mean(0), slow.mean(0), atol=0.006)
    np.testing.assert_allclose(np.cov(drawn.T), np.cov(slow.T), atol=3e-4)


def test_intervals_hold_the_truth_and_shrink_with_more_seeds():
    rng = np.random.default_rng(2)
    widths = []
    for seeds in (4, 32):
        arms = [verdicts(rng, share, seeds) for share in (0.5, 0.65, 0.8)]
        found = modes_statistics.recovered(*arms, **OPTIONS)
        assert found.gain_interval[0] < 0.15 < found.gain_interval[1]
        assert found.interval[0] < 0.5 < found.interval[1]
        widths.append(found.interval[1] - found.interval[0])
    assert widths[1] < widths[0] / 2


def test_without_a_sure_gap_of_the_oracle_there_is_no_interval():
    rng = np.random.default_rng(2)
    arms = [verdicts(rng, share) for share in (0.7, 0.75, 0.705)]
    found = modes_statistics.recovered(*arms, **OPTIONS)
    assert found.interval is None and found.gain > 0


def test_verdicts_that_cannot_be_paired_are_refused():
    for arm in (["10"], ["10", "1"], []):
        with pytest.raises(ValueError, match="verdicts of the same seeds.*one `limit`"):
            modes_statistics.recovered(["10", "11"], arm, None, **OPTIONS)


def test_rank_correlation():
    assert modes_statistics.rank_correlation([1, 2, 3], [1, 10, 11]) == pytest.approx(1)
    assert modes_statistics.rank_correlation([1, 2, 3], [3, 3, 3]) is None
    assert modes_statistics.rank_correlation([1, 2], [3, 4]) is None
    stats = pytest.importorskip("scipy.stats")
    first, second = [1, 5, 5, 2, 0, 7], [2, 2, 9, 1, 1, 4]
    expected = stats.spearmanr(first, second).statistic
    found = modes_statistics.rank_correlation(first, second)
    assert found == pytest.approx(expected)
