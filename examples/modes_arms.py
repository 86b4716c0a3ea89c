"""The arms of examples/modes.py: what differs between them, and what is alike.

    arm = ARMS["K = M"]
    settings = settings_of(plan, arm, modes=3, seed=0, weight=0.5)
    model, kept = trained(arm, settings, data, folder)
    predictor_of(arm, model)          # images -> two logits, for the attacks

The arms of a seed begin with the same weights and see the same batches, noise aside.
"""

import dataclasses
import json
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import settings as run_settings
from building import build_classifier, build_schedule, build_strategy
from cells import changed
from heads import build_head
from merging import merging_callbacks
from modes_oracle import PooledCrossEntropy, pooled
from modes_plan import Data, Plan, Split
from modes_shuffled import ShuffledHead
from refinements import MONITOR, averaging, choose, watching

import keras_mpat as mpat
from keras_mpat import datasets
from keras_mpat.files import beside, write_json

MERGED = 10  # prototypes per class, of which those that come close become one


@dataclass(frozen=True)
class Arm:
    """One way of training.

    Attributes:
        slug: short name, for files.
        head: "none", "soft_triple" or "shuffled".
        prototypes: K per class; `None`: M, as many as there are modes.
        merges: whether prototypes that come close become one.
        fine: whether it is trained on the digits, as an oracle; see modes_oracle.py.
    """

    slug: str
    head: str = "none"
    prototypes: int | None = None
    merges: bool = False
    fine: bool = False


NONE, ORACLE = "lambda_1 = 0", "oracle"
ARMS: dict[str, Arm] = {
    NONE: Arm("none"),
    "K = 1": Arm("k_1", "soft_triple", 1),
    "K = M": Arm("k_m", "soft_triple"),
    "K = 10 merged": Arm("merged", "soft_triple", MERGED, merges=True),
    "shuffled prototypes": Arm("shuffled", "shuffled"),
    ORACLE: Arm("oracle", fine=True),
}


def arms_of(modes: int) -> dict[str, Arm]:
    """The arms that differ: with one mode, K = M is K = 1 and digits are classes."""
    one = ("K = M", "shuffled prototypes", ORACLE) if modes == 1 else ()
    return {name: arm for name, arm in ARMS.items() if name not in one}


def settings_of(
    plan: Plan, arm: Arm, *, modes: int, seed: int, weight: float | None
) -> run_settings.Settings:
    """The settings of one run.

    Args:
        plan: from `read_plan`.
        arm: one of `arms_of(modes)`.
        modes: M.
        seed: of weights, batch order and noise.
        weight: lambda_1; `None` for an arm without a head.

    Raises:
        ValueError: settings that do not fit together.
    """
    given: dict[str, Any] = {
        "dataset": plan.data["dataset"],
        "train_examples": plan.data["train_examples"],
        "validation_examples": plan.data["validation_examples"],
        "seed": seed,
        "head": "none" if arm.head == "none" else "soft_triple",
        "head_weight": weight,
        **plan.training,
    }
    if arm.head != "none":
        given["prototypes_per_class"] = arm.prototypes or modes
    if arm.merges:
        given["merge_threshold"] = plan.merge_threshold
    return run_settings.resolve(given)


def model_of(arm: Arm, settings, modes: int) -> mpat.AdversarialModel:
    """The compiled model of a run; the seed decides all weights below the logits."""
    keras.utils.set_random_seed(settings.seed)
    classes = 2 * modes if arm.fine else 2
    info = datasets.info(settings.dataset)
    names = tuple(map(str, range(classes)))
    info = dataclasses.replace(info, class_names=names, mode_names=(), label_map=None)
    ball = mpat.Linf(settings.epsilon)
    model = mpat.AdversarialModel(
        build_classifier(settings, info),
        strategy=_strategy(arm, settings, modes, ball),
        head=_head(arm, settings),
        head_weight=settings.head_weight,
        seed=settings.seed,
    )
    steps = settings.train_examples // settings.batch_size
    rate = build_schedule(settings, steps, 1)
    optimizer = keras.optimizers.SGD(rate, momentum=0.9, **averaging(settings))
    model.compile(optimizer, metrics=["accuracy"])
    return model


def _strategy(arm: Arm, settings, modes: int, ball) -> mpat.training.Strategy:
    if not arm.fine:
        return build_strategy(settings, ball)
    attack = mpat.attacks.PGD(
        ball,
        steps=settings.steps,
        step_size=settings.step_size,
        objective=PooledCrossEntropy(modes),
    )
    warmup = settings.warmup_epochs
    return mpat.training.AdversarialTraining(attack, warmup_epochs=warmup)


def _head(arm: Arm, settings) -> mpat.layers.Head | None:
    if arm.head != "shuffled":
        return build_head(settings, 2)
    prototypes = settings.prototypes_per_class
    return ShuffledHead(
        2,
        prototypes_per_class=prototypes,
        batch_size=settings.batch_size,
        seed=settings.seed,
    )


def predictor_of(arm: Arm, model: mpat.AdversarialModel) -> keras.Model:
    """Images -> two logits: the classifier's own, or the largest of each M digits."""
    return pooled(model.classifier) if arm.fine else model.classifier


class Validation(keras.callbacks.Callback):
    """Logs `val_robust_accuracy` of the two classes, whatever the labels of training.

    Args:
        predictor: images -> two logits, on the layers that train.
        split: the images and their classes.
        attack: the attack.
    """

    def __init__(self, predictor, split: Split, attack):
        super().__init__()
        plain = mpat.training.StandardTraining()
        self._judge = mpat.AdversarialModel(
            predictor, strategy=plain, validation_attack=attack
        )
        self._judge.compile(metrics=["accuracy"])
        self._split = split
        self.history: list[float] = []

    def on_epoch_end(self, epoch, logs=None):
        size = min(128, len(self._split.x))
        data = datasets.from_arrays(
            self._split.x, self._split.superclass, batch_size=size
        )
        found = self._judge.evaluate(data, verbose=0, return_dict=True)
        self.history.append(float(found["robust_accuracy"]))
        logs[MONITOR] = self.history[-1]


def trained(
    arm: Arm, settings, modes: int, data: Data, folder: Path
) -> tuple[mpat.AdversarialModel, Mapping[str, Any]]:
    """The model of a run, trained unless its folder holds it.

    Args:
        arm: what is trained.
        settings: from `settings_of`.
        modes: M.
        data: from `data_of`.
        folder: of the run; gets model.keras and training.json.

    Returns:
        The model with the weights of its best epoch, and what training.json says:
        `validation`, robust accuracy after each epoch, in [0, 1]; `epoch` that is kept,
        from 1.

    Raises:
        ValueError: the folder of another run.
        FloatingPointError: training ended in weights that are no numbers.
    """
    path, note = folder / "model.keras", folder / "training.json"
    made_with = {"arm": arm.slug, "modes": modes, "settings": settings.to_dict()}
    if note.exists():
        kept = json.loads(note.read_text(encoding="utf-8"))
        name = changed(kept.pop("made_with"), made_with)
        if name is not None:
            raise ValueError(
                "`run_dir` must be a new folder or hold runs of the same settings. "
                f"Received: {folder}, trained with other {name}. Pass another folder."
            )
        return keras.saving.load_model(path, compile=False), kept
    folder.mkdir(parents=True, exist_ok=True)
    model = model_of(arm, settings, modes)
    attack = mpat.attacks.PGD(
        mpat.Linf(settings.epsilon), steps=settings.validation_steps
    )
    validation = Validation(predictor_of(arm, model), data.validation, attack)
    average, best = watching(settings, folder)
    batches = datasets.from_arrays(
        data.train.x,
        data.train.mode if arm.fine else data.train.superclass,
        batch_size=settings.batch_size,
        shuffle=True,
        seed=settings.seed,
        drop_remainder=True,
    )
    model.fit(
        batches,
        epochs=settings.epochs,
        callbacks=[*merging_callbacks(settings), average, validation, best],
        shuffle=False,  # the stream shuffles itself
        verbose=int(sys.stdout.isatty()),
    )
    choose(settings, model, folder)
    found = validation.history
    if not all(map(math.isfinite, found)):
        raise FloatingPointError(f"{folder} was trained to no numbers: {found}.")
    kept = {"validation": found, "epoch": found.index(max(found)) + 1}
    with beside(path) as partial:
        model.save(partial)
    write_json(note, {"made_with": made_with, **kept})
    return model, kept
