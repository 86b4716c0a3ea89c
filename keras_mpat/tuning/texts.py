"""Hyper-parameters and figures of a search as a reader sees them."""

import math
import numbers
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from keras_mpat.evaluation.reporting.tables import Shown
from keras_mpat.tuning.results import SearchResult, TrialResult

_LONG = 40  # characters of a cell


@dataclass(frozen=True)
class Scale:
    """How figures of a name are shown: accuracies in percent, others as they are.

    Attributes:
        name: of the figure, e.g. "val_robust_accuracy".
    """

    name: str

    @property
    def percent(self) -> bool:
        """Whether it is a share."""
        return "accuracy" in self.name

    @property
    def label(self) -> str:
        """Its name with the unit."""
        name = one_line(self.name)
        return f"{name} (%)" if self.percent else name

    def number(self, value: float | None) -> float | None:
        """In the unit of the label; `None` for what is not finite."""
        if value is None or not math.isfinite(value):
            return None
        return float(value) * (100 if self.percent else 1)

    def text(self, value: float | None, decimals: int = 2) -> str:
        """Without the unit."""
        number = self.number(value)
        if number is None:
            return "–" if value is None else f"{value}"
        return f"{number:.{decimals}f}" if self.percent else f"{number:.4g}"

    def cell(
        self, value: float | None, interval: tuple[float, float] | None = None
    ) -> Shown | None:
        """A cell of a table, with an interval in brackets."""
        if value is None:
            return None
        text = self.text(value)
        if interval is not None:
            text += f" ({self.range(interval)})"
        return Shown(self.number(value), text)

    def range(self, interval: tuple[float, float]) -> str:
        """An interval without the unit."""
        return "–".join(self.text(end, decimals=1) for end in interval)


def interval_of(result: SearchResult, trial: TrialResult) -> tuple[float, float] | None:
    """95 % interval of a trial's score; that of an accuracy ends at 0 and 1."""
    found = result.interval(trial)
    if found is None or not Scale(result.objective).percent:
        return found
    low, high = found
    return max(low, 0.0), min(high, 1.0)


def is_missing(value: Any) -> bool:
    """Whether a trial has no such value: conditions, or NaN."""
    return value is None or (is_number(value) and math.isnan(value))


def is_number(value: Any) -> bool:
    """Whether a value has a place on an axis; `True` has none."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def value_text(value: Any) -> str:
    """A hyper-parameter on a line, several prototypes as the paper writes them: 3/4."""
    if is_missing(value):
        return "–"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "/".join(map(value_text, value)) or "none"
    if is_number(value) and not isinstance(value, numbers.Integral):
        return f"{value:.4g}"
    return one_line(str(value))


def value_cell(value: Any) -> Any:
    """A hyper-parameter in a table; numbers sort as such."""
    if is_missing(value):
        return None
    text = value_text(value)
    if is_number(value) and math.isfinite(value):
        return Shown(value, text)
    return one_line(text, _LONG)


def one_line(text: str, longest: int = 1000) -> str:
    """Text without line breaks and control signs, its end cut off where it is long."""
    kept = "".join(sign if sign.isprintable() else " " for sign in text)
    kept = " ".join(kept.split())
    return kept if len(kept) <= longest else f"{kept[: longest - 1]}…"


def order_of(value: Any) -> tuple:
    """A key that sorts numbers, then lists, then names."""
    if is_number(value):
        return 0, float(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return 1, tuple(map(order_of, value))
    return 2, str(value)


def span(seconds: float) -> str:
    """A time in the unit that suits it."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
