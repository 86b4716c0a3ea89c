"""What a benchmark says of the ratios of its rounds, and where it keeps it."""

import json
from pathlib import Path

import numpy as np


def interval(ratios: np.ndarray) -> list[float]:
    """Median, and its 95 % bootstrap interval."""
    rng = np.random.default_rng(0)
    draws = np.median(rng.choice(ratios, (10_000, len(ratios))), axis=1)
    return [float(np.median(ratios)), *map(float, np.quantile(draws, (0.025, 0.975)))]


def said(ratio: list[float]) -> str:
    """A ratio from `interval` as text."""
    median, low, high = ratio
    return f"{median:.2f} ({low:.2f}–{high:.2f})"


def keep(folder: Path, name: str, found: dict, table: str) -> None:
    """Writes the figures as JSON and as Markdown."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(found, indent=1) + "\n"
    (folder / f"{name}.json").write_text(text, encoding="utf-8")
    (folder / f"{name}.md").write_text(table, encoding="utf-8")
