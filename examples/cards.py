"""The model card of a finished run: examples/evaluate.py --card writes it."""

import json
from pathlib import Path
from typing import Any

from run_directory import finished

from keras_mpat.evaluation import RobustnessResult, model_card

_FROM_RECORD = ("settings", "seeds", "versions", "device", "seconds")


def write_card(
    run_dir, result: RobustnessResult, threat_model, *, model=None, audit=None
) -> Path:
    """Writes card.json and card.md into a run directory.

    Args:
        run_dir: the folder of a finished run.
        result: of its classifier, on the first images of its test set.
        threat_model: that of all attacks.
        model: what predicts; `None`: classifier.keras.
        audit: what `audit` returned; `None`: not audited.

    Returns:
        Where the text is.
    """
    record, classifier = finished(run_dir)
    card = model_card(
        result,
        model=model or classifier,
        threat_model=threat_model,
        dataset=f"{record['settings']['dataset']}, test",
        training={name: record[name] for name in _FROM_RECORD if name in record},
        verification=_verification(run_dir, result, threat_model),
        audit=audit and {k: v for k, v in audit.to_dict().items() if k != "result"},
    )
    card.save(run_dir)
    return Path(run_dir) / "card.md"


def _verification(run_dir, result: RobustnessResult, ball) -> dict[str, Any] | None:
    """The one with most examples of those of the same weights in the same ball."""
    weights = result.evidence and result.evidence.sha256["weights"]
    own = {"norm": type(ball).__name__, "radius": ball.radius}
    found = [
        json.loads(path.read_text(encoding="utf-8"))
        for path in sorted(Path(run_dir).glob("verification-*.json"))
    ]
    fits = [
        values
        for values in found
        if values["sha256"]["weights"] == weights and values.get("threat_model") == own
    ]
    return max(fits, key=lambda values: values["n"], default=None)
