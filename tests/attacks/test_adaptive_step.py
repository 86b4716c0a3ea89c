"""APGD's step sizes on sequences of objective values made by hand."""

import math
from fractions import Fraction

import numpy as np
import pytest
from keras import ops

from keras_mpat.attacks import adaptive_step

CHECKS = [22, 41, 57, 70, 80, 87, 93, 99]


def _run(*sequences, rho=0.75, **begin):
    """(sizes, restarts, bests), (steps, B), of sequences that begin at the start."""
    values = np.array(sequences, "float32").T
    limits = adaptive_step.limits(len(values) - 1, rho)
    state = adaptive_step.begin(ops.convert_to_tensor(values[0]), **begin)
    sizes, restarts, bests = [], [], []
    for value, limit in zip(values[1:], limits, strict=True):
        state, _, restart = adaptive_step.update(
            state, ops.convert_to_tensor(value), limit
        )
        sizes.append(ops.convert_to_numpy(state.size))
        restarts.append(ops.convert_to_numpy(restart))
        bests.append(ops.convert_to_numpy(state.best))
    return np.array(sizes), np.array(restarts), np.array(bests)


def _when(restarts):
    """After which steps each example went back to its best point."""
    return [(np.flatnonzero(column) + 1).tolist() for column in restarts.T]


def _rises(count, window, start=0.0):
    """`window` steps from `start`: the first `count` rise, the rest fall."""
    steps = [1.0] * count + [-1.0] * (window - count)
    return start + np.cumsum([0.0, *steps])


@pytest.mark.parametrize("steps", [100, 200, 1000])
def test_checkpoints_are_those_of_the_paper(steps):
    shares = [Fraction(0), Fraction(22, 100)]
    while shares[-1] <= 1:
        gap = shares[-1] - shares[-2] - Fraction(3, 100)
        shares.append(shares[-1] + max(gap, Fraction(6, 100)))
    expected = [math.ceil(share * steps) for share in shares[1:] if share <= 1]
    assert adaptive_step.checkpoints(steps) == expected


def test_checkpoints_of_100_steps_and_of_few():
    assert adaptive_step.checkpoints(100) == CHECKS
    assert adaptive_step.checkpoints(50) == [11, 21, 30, 38, 45]
    assert adaptive_step.checkpoints(3) == [1, 2, 3]
    assert adaptive_step.checkpoints(1) == [1]


def test_limits_are_three_quarters_of_the_gap_rounded_down():
    table = adaptive_step.limits(100, 0.75)
    assert table.dtype == np.int32 and len(table) == 100
    assert (np.flatnonzero(table >= 0) + 1).tolist() == CHECKS
    assert table[table >= 0].tolist() == [16, 14, 12, 9, 7, 5, 4, 4]
    assert np.all(table[table < 0] == -1)


def test_a_value_that_always_rises_keeps_its_step():
    sizes, restarts, bests = _run(np.arange(101.0))
    assert _when(restarts) == [[]] and np.all(sizes == 2.0)
    np.testing.assert_array_equal(bests[:, 0], np.arange(1.0, 101.0))


def test_a_value_that_never_rises_halves_at_each_checkpoint():
    sizes, restarts, bests = _run(np.zeros(101), -np.arange(101.0))
    assert _when(restarts) == [CHECKS, CHECKS]
    halvings = np.searchsorted(CHECKS, np.arange(1, 101), side="right")
    np.testing.assert_array_equal(sizes, (2.0 / 2.0**halvings)[:, None] * [1, 1])
    assert np.all(bests == 0)  # the start, where it was best


@pytest.mark.parametrize(("count", "halved"), [(16, True), (17, False)])
def test_too_few_increases_halve_and_their_number_counts_not_their_place(count, halved):
    first = _rises(count, 22)
    shuffled = np.cumsum([0.0, *np.random.default_rng(0).permutation(np.diff(first))])
    # The best value is new in the window, and the rest of the run only rises.
    rest = 1000.0 + np.arange(78.0)
    _, restarts, _ = _run([*first, *rest], [*shuffled, *rest])
    assert _when(restarts) == [[22]] * 2 if halved else [[]] * 2


def test_increases_are_counted_since_the_last_checkpoint_only():
    # 22 rises, then 14 of 19, then rises: the second window alone is below 3/4.
    values = [
        *np.arange(23.0),
        *_rises(14, 19, start=22.0)[1:],
        *(100.0 + np.arange(59)),
    ]
    _, restarts, _ = _run(values)
    assert _when(restarts) == [[41]]


def test_no_new_best_value_halves_unless_the_checkpoint_before_did():
    # The start is never reached again, though nearly every step rises.
    values = [500.0, *np.arange(100.0)]
    _, restarts, bests = _run(values)
    assert _when(restarts) == [[41, 70, 87, 99]]  # not at the first one, then by turns
    assert np.all(bests == 500.0)


def test_first_step_is_compared_with_the_start_or_with_zero():
    # 17 increases of 22 keep the step; the first is one only when compared with zero.
    falls_first = [9.0, 8.0, *(8.0 + _rises(16, 21)[1:]), *(100.0 + np.arange(78))]
    below_zero = np.array(falls_first) - 200.0
    _, restarts, _ = _run(falls_first, below_zero)
    assert _when(restarts) == [[22], [22]]
    _, restarts, _ = _run(falls_first, below_zero, first_from_zero=True)
    assert _when(restarts) == [[], [22]]


def test_rho_is_the_share():
    values = [*_rises(12, 22), *(100.0 + np.arange(78))]
    assert _when(_run(values, rho=0.5)[1]) == [[]]
    assert _when(_run(values, rho=0.6)[1]) == [[22]]
    assert _when(_run(np.arange(101.0), rho=1.0)[1]) == [CHECKS]


def test_examples_do_not_see_each_other():
    rng = np.random.default_rng(1)
    sequences = rng.normal(size=(20, 101)).cumsum(-1) + 0.5 * np.arange(101)
    together, restarts, bests = _run(*sequences)
    for number in (0, 7, 19):
        alone, _, _ = _run(sequences[number])
        np.testing.assert_array_equal(alone[:, 0], together[:, number])
    assert len({tuple(times) for times in _when(restarts)}) > 5
    assert np.all(np.diff(bests, axis=0) >= 0) and np.all(
        np.diff(together, axis=0) <= 0
    )
    assert set(np.unique(np.log2(together)) % 1) == {0.0}
