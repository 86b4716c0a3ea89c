"""Stratified splits and keyed noise: pure functions of their seeds.

Every random choice of this package's data comes from here. The numbers are those of
a counter-based generator keyed by integers, so they are the same in each process.
"""

from collections.abc import Mapping

import numpy as np

VALIDATION_SHARE = 0.1
VALIDATION_LIMIT = 5000
# Of sets that come without a test set.
TEST_SHARE = 0.2
_TEST_SEED = 0

# What a number is for: part of its key, so that no two uses share numbers.
SPLIT, ORDER, AUGMENT, CLASSES, EXAMPLES = range(5)


def uniform(
    shape: tuple[int, ...],
    use: int,
    *,
    seed: int,
    epoch: int = 0,
    stream: int = 0,
    dtype: str = "f8",
) -> np.ndarray:
    """Uniform numbers in [0, 1), a function of (use, seed, epoch, stream) and the row.

    Row i is the same whatever the number of rows.
    """
    key = np.array([seed, (use << 48) + epoch], dtype="uint64")
    generator = np.random.Generator(np.random.Philox(key=key, counter=stream << 128))
    return generator.random(shape, dtype=dtype)


def order(count: int, seed: int, epoch: int) -> np.ndarray:
    """The order of `count` examples in one epoch: a permutation (count,)."""
    keys = uniform((count,), ORDER, seed=seed, epoch=epoch)
    return np.argsort(keys, kind="stable")


def stratified(labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Draws `count` examples with the class shares of `labels`.

    Each class gives its share rounded down; what is missing to `count` comes from
    the classes with the largest remainders. Each class keeps an example, if there are
    as many to keep: a class that is drawn whole could not be trained on.

    Args:
        labels: (N,) int.
        count: Number of examples to draw, 0 ... N.
        seed: Non-negative int.

    Returns:
        Sorted indices (count,).
    """
    classes, sizes = np.unique(labels, return_counts=True)
    quotas, remainders = np.divmod(sizes * count, len(labels))
    limits = sizes - 1 if count <= len(labels) - len(classes) else sizes
    quotas = np.minimum(quotas, limits)
    ranking = np.argsort(-remainders, kind="stable")
    while missing := count - int(quotas.sum()):
        open_ = ranking[quotas[ranking] < limits[ranking]]
        quotas[open_[:missing]] += 1
    keys = uniform((len(labels),), SPLIT, seed=seed)
    chosen = []
    for label, quota in zip(classes, quotas, strict=True):
        members = np.flatnonzero(labels == label)
        chosen.append(members[np.argsort(keys[members], kind="stable")[:quota]])
    return np.sort(np.concatenate(chosen))


def fixed_test(labels: np.ndarray) -> np.ndarray:
    """The rows of the test set of a data set that has none: a stratified fifth."""
    return stratified(labels, round(TEST_SHARE * len(labels)), _TEST_SEED)


def sizes(parts: Mapping[str, int]) -> dict[str, int]:
    """Examples of each split, from those of each part."""
    held_out = validation_count(None, parts["train"])
    rest = {part: size for part, size in parts.items() if part != "train"}
    return {"train": parts["train"] - held_out, "validation": held_out, **rest}


def complement(chosen: np.ndarray, total: int) -> np.ndarray:
    """The sorted indices below `total` that are not in `chosen`."""
    kept = np.ones(total, dtype=bool)
    kept[chosen] = False
    return np.flatnonzero(kept)


def validation_count(validation: int | float | None, total: int) -> int:
    """Number of the `total` training examples to hold out for validation.

    Args:
        validation: None for a tenth, at most 5000; an int for that many (0 for
            none); a float for a share in [0, 1).
        total: Number of training examples.

    Raises:
        ValueError: If it is neither, or nothing would be left to train on.
    """
    count = -1
    if validation is None:
        count = max(1, min(round(VALIDATION_SHARE * total), VALIDATION_LIMIT))
    elif isinstance(validation, float | np.floating):
        count = round(float(validation) * total) if 0 <= validation < 1 else -1
    elif isinstance(validation, int | np.integer) and not isinstance(validation, bool):
        count = int(validation)
    if not 0 <= count < total:
        raise ValueError(
            "`validation` must be a number of examples from 0 to "
            f"{total - 1} (int), or a share in [0, 1) (float). Received: "
            f"validation={validation!r}. Pass None for a tenth (at most "
            f"{VALIDATION_LIMIT})."
        )
    return count
