"""What a benchmark says of the ratios of its rounds."""

import numpy as np


def interval(ratios: np.ndarray) -> list[float]:
    """Median, and its 95 % bootstrap interval."""
    rng = np.random.default_rng(0)
    draws = np.median(rng.choice(ratios, (10_000, len(ratios))), axis=1)
    return [float(np.median(ratios)), *map(float, np.quantile(draws, (0.025, 0.975)))]
