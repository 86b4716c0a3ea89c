"""Prototypes that merge during a run, and merging.json, which says how they did.

threshold      chord distance below which prototypes merge
history        prototypes left per class, one list per epoch
merges         epoch (from 0), label, kept, absorbed and distance of each merging
before, after  cosines (C, K, K) within each class, `null` where none is in use
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from settings import Settings

from keras_mpat.callbacks import PrototypeMerging
from keras_mpat.files import write_text


def merging_callbacks(settings: Settings) -> list[PrototypeMerging]:
    """What merges prototypes as `settings` say; maybe nothing."""
    if settings.merge_threshold is None:
        return []
    return [PrototypeMerging(settings.merge_threshold)]


def write_merging(run_dir, callbacks: list[PrototypeMerging]) -> None:
    """Writes merging.json for a run that has ended, where prototypes merge."""
    for merging in callbacks:
        values = {
            "threshold": merging.threshold,
            "history": merging.history,
            "merges": [merge._asdict() for merge in merging.merges],
            "before": _with_null(merging.similarities_before),
            "after": _with_null(merging.similarities_after),
        }
        write_text(Path(run_dir) / "merging.json", json.dumps(values) + "\n")


def read_merging(run_dir) -> dict[str, Any] | None:
    """What merging.json of a run says, cosines as arrays; None if there is none."""
    path = Path(run_dir) / "merging.json"
    if not path.exists():
        return None
    values = json.loads(path.read_text(encoding="utf-8"))
    for name in ("before", "after"):
        if values[name] is not None:
            values[name] = np.array(values[name], "float64")  # null becomes NaN
    return values


def _with_null(cosines: np.ndarray | None) -> list | None:
    """As lists for JSON, which knows no NaN."""
    if cosines is None:
        return None
    return np.where(np.isfinite(cosines), np.round(cosines, 6), None).tolist()
