"""Attacks that know the head of a run, or go through its saturation.

`evaluate.py --attacks adaptive`, `--attacks behind`.
"""

import warnings
from pathlib import Path

import keras
from run_directory import read, source

import keras_mpat as mpat
from keras_mpat import attacks, datasets

_TRAINING_IMAGES = 10_000  # among which the nearest of other classes are looked for


def adaptive(
    run_dir, epsilon: float | str, *, steps_factor: int = 1
) -> dict[str, attacks.Attack]:
    """`evaluation.prototype_attacks` by title, from model.keras and the training set.

    Args:
        run_dir: the folder of a finished run.
        epsilon: radius of the Linf ball.
        steps_factor: multiplies the 100 steps.

    Raises:
        ValueError: the run has no head, or there is no model.keras.
    """
    model = _whole(run_dir, "adaptive", "the head")
    if model.head is None:
        raise ValueError(
            "`attacks` can hold adaptive for a run with a head only. Received: "
            f"run_dir={run_dir}, trained with head=none. Use autoattack, which needs "
            "none."
        )
    train = datasets.arrays(split="train", **source(read(run_dir)))[:2]
    return against(model, mpat.Linf(epsilon), train, steps=100 * steps_factor)


def against(model, threat_model, train, *, steps: int) -> dict[str, attacks.Attack]:
    """`evaluation.prototype_attacks` of a model without twins.

    Args:
        model: an `AdversarialModel` with a head.
        threat_model: what the attacks may do.
        train: (x, y), training images and labels; the first 10 000 are used.
        steps: of each run, >= 1.
    """
    with warnings.catch_warnings():  # a run has no twins
        warnings.filterwarnings("ignore", "prototype_attacks leaves out")
        return mpat.evaluation.prototype_attacks(
            model,
            threat_model,
            train=tuple(array[:_TRAINING_IMAGES] for array in train),
            steps=steps,
        )


def behind(run_dir, epsilon: float | str) -> dict[str, attacks.Attack]:
    """AutoAttack strict with the gradients that the plain classifier cuts off.

    Args:
        run_dir: the folder of a finished run with a saturation.
        epsilon: radius of the Linf ball.

    Raises:
        ValueError: the run has no saturation, or there is no model.keras.
    """
    model = _whole(run_dir, "behind", "the saturation")
    if mpat.models.saturation_of(model.classifier) is None:
        raise ValueError(
            "`attacks` can hold behind for a run with a saturation only. Received: "
            f"run_dir={run_dir}, trained without. Use strict, which needs none."
        )
    strict = attacks.AutoAttack(mpat.Linf(epsilon), version="strict")
    whole = attacks.Transfer(strict, surrogate=model.classifier)
    return {"AutoAttack strict, through the saturation": whole}


def _whole(run_dir, name: str, what: str) -> mpat.AdversarialModel:
    path = Path(run_dir) / "model.keras"
    if not path.exists():
        raise ValueError(
            f"`run_dir` must hold model.keras, which has {what}. Received: "
            f"run_dir={run_dir}, which does not. Train it again, or leave {name} out."
        )
    return keras.saving.load_model(path, compile=False)
