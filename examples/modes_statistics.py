"""The figures of examples/modes.py from verdicts per image: fractions and their doubt.

    found = recovered(none, arm, oracle, draws=10_000, level=0.95, seed=0)
    print(found.fraction, found.interval, found.p_value)

Verdicts are strings of 0 and 1, one for each seed: 1 is right under every attack. Arms
of one seed were attacked on the same images.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from keras_mpat.evaluation.comparison import sign_flip_test


@dataclass(frozen=True)
class Recovered:
    """What an arm wins of the way from no head to the oracle.

    Attributes:
        gain: acc_K - acc_0, mean over the seeds, in [-1, 1].
        gain_interval: of the hierarchical bootstrap.
        p_value: of the exact sign-flip test over the seeds, that there is no gain.
        fraction: gain / (acc_oracle - acc_0); `None` without an oracle or if it wins
            nothing.
        interval: of the fraction; `None` also where the gap of the oracle may be 0.
    """

    gain: float
    gain_interval: tuple[float, float]
    p_value: float
    fraction: float | None
    interval: tuple[float, float] | None


def recovered(
    none: Sequence[str],
    arm: Sequence[str],
    oracle: Sequence[str] | None,
    *,
    draws: int,
    level: float,
    seed: int,
) -> Recovered:
    """Gain and recovered fraction of an arm, with intervals and a test.

    Args:
        none, arm, oracle: verdicts of each, one string per seed in the same order;
            `None`: no oracle was trained.
        draws: resamplings, >= 1.
        level: of the intervals, in (0, 1).
        seed: of the resampling, >= 0.

    Raises:
        ValueError: verdicts that cannot be paired.
    """
    arms = [none, arm] if oracle is None else [none, arm, oracle]
    flags = _paired(arms)
    means = np.mean([seen.mean(axis=1) for seen in flags], axis=0)
    drawn = bootstrap(flags, draws=draws, seed=seed)
    gains = drawn[:, 1] - drawn[:, 0]
    ends = [(1 - level) / 2, (1 + level) / 2]
    low, high = map(float, np.quantile(gains, ends))
    fraction, interval = None, None
    if oracle is not None:
        fraction = fraction_of(*means)
        gaps = drawn[:, 2] - drawn[:, 0]
        if fraction is not None and np.mean(gaps <= 0) <= ends[0]:
            shares = (gains / np.where(gaps > 0, gaps, np.nan))[gaps > 0]
            first, last = map(float, np.quantile(shares, ends))
            interval = first, last
    counts = [int(seen[1].sum()) - int(seen[0].sum()) for seen in flags]
    return Recovered(
        gain=float(means[1] - means[0]),
        gain_interval=(low, high),
        p_value=sign_flip_test(counts),
        fraction=fraction,
        interval=interval,
    )


def fraction_of(none: float, arm: float, oracle: float) -> float | None:
    """(arm - none) / (oracle - none); `None` if the oracle wins nothing."""
    return float((arm - none) / (oracle - none)) if oracle > none else None


def bootstrap(flags: Sequence[np.ndarray], *, draws: int, seed: int) -> np.ndarray:
    """Mean accuracies of arms when seeds, and then the images of each, are drawn again.

    Args:
        flags: for each seed bool (A, N), right or not for A arms on N images of the
            seed; N may differ between seeds.
        draws: how often, >= 1.
        seed: >= 0.

    Returns:
        (draws, A), each mean over as many seeds as there are. An image is drawn with
        the verdicts of all arms.
    """
    rng = np.random.default_rng(seed)
    arms = len(flags[0])
    answers = (np.arange(2**arms)[:, None] >> np.arange(arms)) & 1  # of all kinds
    places = rng.integers(len(flags), size=(draws, len(flags)))
    total = np.zeros((draws, arms))
    for number, seen in enumerate(flags):
        kind = (seen * (1 << np.arange(arms))[:, None]).sum(axis=0)
        shares = np.bincount(kind, minlength=2**arms) / len(kind)
        for column in places.T:  # a seed drawn twice has other images each time
            rows = np.flatnonzero(column == number)
            counts = rng.multinomial(len(kind), shares, size=len(rows))
            total[rows] += counts @ answers / len(kind)
    return total / len(flags)


def rank_correlation(first, second) -> float | None:
    """Spearman's correlation; `None` with less than three pairs or without spread.

    Args:
        first, second: numbers (N,), pairs in the same order.
    """
    ranks = [_ranks(np.asarray(values, "float64")) for values in (first, second)]
    if len(ranks[0]) < 3 or min(np.ptp(rank) for rank in ranks) == 0:
        return None
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def accuracy(verdicts: str) -> float:
    """Share of 1 in a string of 0 and 1."""
    return verdicts.count("1") / len(verdicts)


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 0; equals share their mean."""
    less = (values[None] < values[:, None]).sum(axis=1)
    return less + ((values[None] == values[:, None]).sum(axis=1) - 1) / 2


def _paired(arms: Sequence[Sequence[str]]) -> list[np.ndarray]:
    """Verdicts of arms by seed as, for each seed, bool (A, N)."""
    lengths = [[len(verdicts) for verdicts in arm] for arm in arms]
    if not lengths[0] or any(sizes != lengths[0] for sizes in lengths):
        raise ValueError(
            "`none`, `arm` and `oracle` must hold verdicts of the same seeds on the "
            f"same images. Received: lengths {lengths}. Attack all arms of a seed with "
            "one `limit`."
        )
    return [
        np.array([np.frombuffer(text.encode(), "uint8") == ord("1") for text in seed])
        for seed in zip(*arms, strict=True)
    ]
