"""Is one method better than another? Paired tests on verdicts for the same images.

    found = compare([mpat_0, mpat_1, mpat_2], [plain_0, plain_1, plain_2])
    print(found.verdict, found.p_value)      # "undecided" is an answer, too
    print(found.table())

All p-values are exact and two-sided; nothing is drawn.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_mpat.evaluation.result import RobustnessResult, percent

_LEVEL = 0.01


@dataclass(frozen=True)
class Comparison:
    """Two methods, each trained with the same seeds and attacked on the same images.

    Attributes:
        names: of the two methods.
        accuracies: (2, S) robust accuracy of each method and seed.
        p_values: (S,) exact McNemar test of each seed.
        p_value: the larger p-value of two permutation tests that exchange the methods'
            answers: in each (seed, image) block alone, and on an image in all seeds at
            once, which allows for seeds that fail on the same images.
        n: number of images.
    """

    names: tuple[str, str]
    accuracies: np.ndarray
    p_values: tuple[float, ...]
    p_value: float
    n: int

    @property
    def differences(self) -> np.ndarray:
        """First minus second robust accuracy, (S,)."""
        return self.accuracies[0] - self.accuracies[1]

    @property
    def verdict(self) -> str:
        """ "better", "worse" or "undecided": what may be said of the first method.

        The first two only if all seeds agree in sign and `p_value` is below 0.01.
        """
        signs = set(np.sign(self.differences))
        if len(signs) == 1 and signs != {0.0} and self.p_value < _LEVEL:
            return "better" if self.differences[0] > 0 else "worse"
        return "undecided"

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON values."""
        return {
            "names": list(self.names),
            "n": self.n,
            "accuracies": self.accuracies.tolist(),
            "mcnemar": list(self.p_values),
            "p_value": self.p_value,
            "verdict": self.verdict,
        }

    def table(self) -> str:
        """Markdown: a row per seed, mean and worst, and the verdict in words."""
        lines = ["| seed | " + " | ".join(self.names) + " | difference | McNemar p |"]
        lines.append("| --- | --- | --- | --- | --- |")
        pairs = zip(*self.accuracies, self.differences, self.p_values, strict=True)
        for seed, (first, second, difference, p_value) in enumerate(pairs):
            cells = [
                percent(round(share * self.n), self.n) for share in (first, second)
            ]
            cells += [f"{100 * difference:+.2f}", f"{p_value:.2g}"]
            lines.append(f"| {seed} | " + " | ".join(cells) + " |")
        for title, summary in (("mean", np.mean), ("worst", np.min)):
            values = [100 * float(summary(row)) for row in self.accuracies]
            gap = f"{values[0] - values[1]:+.2f}"
            lines.append(f"| {title} | {values[0]:.2f} | {values[1]:.2f} | {gap} | |")
        return "\n".join(lines) + f"\n\n{self.sentence()}\n"

    def sentence(self) -> str:
        """The verdict in words."""
        first, second = self.names
        words = {
            "better": f"{first} is better than {second}",
            "worse": f"{first} is worse than {second}",
            "undecided": f"Undecided between {first} and {second}",
        }[self.verdict]
        seeds = len(self.p_values)
        return (
            f"{words} (exact permutation test, p = "
            f"{self.p_value:.2g}, {seeds} {'seed' if seeds == 1 else 'seeds'}, n = "
            f"{self.n}; better or worse is said if all seeds agree and p < {_LEVEL})."
        )


def compare(
    first: Sequence[RobustnessResult],
    second: Sequence[RobustnessResult],
    *,
    names: tuple[str, str] = ("first", "second"),
) -> Comparison:
    """Compares two methods over seeds, by their verdicts on the same images.

    Args:
        first, second: results of the two methods, one per seed, in the same order of
            the seeds, on the same images and under attacks of the same strength.
        names: titles of the two methods.

    Returns:
        A `Comparison`.

    Raises:
        ValueError: no result, or results that cannot be paired.

    References:
        McNemar, Psychometrika 12 (1947), 153-157.
    """
    first, second = list(first), list(second)
    sizes = {result.n for result in (*first, *second)}
    if not first or len(first) != len(second) or len(sizes) != 1:
        raise ValueError(
            "`first` and `second` must hold one result per seed each, on the same "
            f"images. Received: {len(first)} and {len(second)} results of "
            f"{sorted(sizes)} images. Evaluate both methods with the same seeds and "
            "limit."
        )
    robust = np.array([[r.robust for r in side] for side in (first, second)])
    gaps = robust[0].astype(int) - robust[1]  # (S, N): 1, 0 or -1
    return Comparison(
        names=(names[0], names[1]),
        accuracies=robust.mean(axis=-1),
        p_values=tuple(sign_flip_test(row) for row in gaps),
        p_value=max(sign_flip_test(gaps.ravel()), sign_flip_test(gaps.sum(axis=0))),
        n=robust.shape[-1],
    )


def sign_flip_test(differences) -> float:
    """Exact two-sided p-value of a sum of integers whose signs are exchangeable.

    For differences of -1, 0 and 1 this is McNemar's exact test.

    Args:
        differences: integers, any shape.
    """
    sizes = np.abs(np.ravel(differences))
    law = np.ones(1)  # of the sum, from -(len - 1) / 2 to (len - 1) / 2
    for size in range(1, int(sizes.max(initial=0)) + 1):
        law = np.convolve(law, _signed(int(np.sum(sizes == size)), size))
    sums = np.arange(len(law)) - len(law) // 2
    observed = abs(int(np.sum(differences)))
    return float(min(1.0, np.sum(law[np.abs(sums) >= observed])))


def _signed(count: int, size: int) -> np.ndarray:
    """Law of a sum of `count` signs times `size`, from -count size to count size."""
    heads = np.arange(count + 1)
    logs = np.array([math.lgamma(k + 1) for k in heads])
    law = np.zeros(2 * count * size + 1)
    choose = logs[count] - logs - logs[::-1]
    law[2 * size * heads] = np.exp(choose - count * math.log(2))
    return law
