"""`evaluate.py --audit`: how far the figures of a finished run can be trusted."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import keras
import numpy as np
from run_directory import finished, source

import keras_mpat as mpat
from keras_mpat import attacks, datasets
from keras_mpat.evaluation import Audit, RobustnessResult, audit

_TRAINING_IMAGES = 10_000  # among which attacks on the head look for neighbors


def write_audit(
    run_dir,
    *,
    chosen: Mapping[str, attacks.Attack],
    ball: mpat.Linf,
    limit: int | None,
    model=None,
    twins: Sequence[str] = (),
    runs: Sequence[str] = (),
    collapse_model: str | None = None,
    **options,
) -> Audit:
    """Audits the evaluation of a run; writes audit.json and audit.md beside it.

    Args:
        run_dir: the folder of a finished run: classifier.keras is audited, and where
            there is a model.keras, its head is attacked, too.
        chosen: the evaluation's attacks by title.
        ball: the threat model.
        limit: the first test images only.
        model: what predicts, in the place of classifier.keras.
        twins: "name=path.keras" each.
        runs: evaluation-*.json of the same method with other seeds.
        collapse_model: path of a classifier of the fine labels.
        options: examples, batch_size, state_dir, seed, verbose of `audit`.

    Raises:
        ValueError: a twin without a name, or a file that is missing.
    """
    record, classifier = finished(run_dir)
    where = source(record)
    x, y, modes = (part[:limit] for part in datasets.arrays(split="test", **where))
    training = datasets.arrays(split="train", **where)[:2]
    whole = Path(run_dir) / "model.keras"
    if not isinstance(model, keras.Model):
        options["head_model"] = whole if whole.exists() else None
        model = classifier
    report = audit(
        model,
        (x, y),
        ball,
        attack=chosen,
        twins=dict(map(_named, twins)) or None,
        runs=[RobustnessResult.load(path) for path in runs] or None,
        collapse_model=collapse_model,
        modes=None if np.array_equal(modes, y) else modes,
        record={"selected_on": record.get("selected_on", "last epoch")},
        train=tuple(part[:_TRAINING_IMAGES] for part in training),
        **options,
    )
    report.save(run_dir)
    return report


def _named(text: str) -> tuple[str, str]:
    name, separator, path = text.partition("=")
    if not separator or not Path(path).exists():
        raise ValueError(
            "`twins` must be name=path of .keras files. Received: "
            f"twins={text}. Pass --twins='standard=runs/plain/classifier.keras'."
        )
    return name, path
