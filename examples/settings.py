"""What a training run is made of: defaults per data set, presets, and what was given.

    settings = resolve({"dataset": "mnist", "strategy": "free"})

A setting that was given wins over the preset, the preset over the data set's row.
"""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from heads import HEADS
from presets import PRESETS

from keras_mpat.choices import check_choice
from keras_mpat.datasets import tfds_info


@dataclass(frozen=True, kw_only=True)
class Defaults:
    """One row of the table. Published values: Khan et al. (MPAT), 2023, section 4.2.

    `epochs` are those of PGD; Free divides them by its replays. `drop_at` is the share
    of the epochs between two drops of the schedule "step". `fast_*` belong to Fast
    adversarial training, `trades_*` to TRADES (Zhang et al., 2019, section 5).
    """

    model: str
    epsilon: float | str
    epochs: int
    batch_size: int = 128
    steps: int = 7  # feature scattering: 1 step of epsilon
    step_size: float | str | None = None  # 2.5 epsilon / steps
    replays: int = 8
    warmup_epochs: int = 0
    prototypes_per_class: int = 10
    head_weight: float = 0.5
    regularizer_weight: float = 0.001
    learning_rate: float = 0.1
    schedule: str = "step"
    drop_at: float = 0.25
    fast_epochs: int = 30
    fast_step_size: float | str | None = None  # 1.25 epsilon
    fast_learning_rate: float = 0.2
    trades_steps: int = 10
    trades_step_size: float | str | None = None
    trades_beta: float = 6.0


# 120 epochs with drops every 30; Fast with a step of epsilon.
_CIFAR = Defaults(
    model="resnet18",
    epsilon="8/255",
    epochs=120,
    step_size="2/255",
    fast_step_size="8/255",
    trades_step_size=0.007,
)
# 50 epochs with one drop. The published step of 0.01 is replaced by 2.5 epsilon / 7:
# seven steps of 0.01 end 0.07 from where they start, and never reach the surface of a
# ball of 0.3. Two epochs of warm-up, because training at 0.3 can collapse without.
_MNIST = Defaults(
    model="lenet",
    epsilon=0.3,
    epochs=50,
    replays=4,
    warmup_epochs=2,
    prototypes_per_class=5,
    regularizer_weight=0.005,
    learning_rate=0.01,
    drop_at=0.8,
    fast_learning_rate=0.1,
    trades_steps=40,
    trades_step_size=0.01,
    trades_beta=1.0,
)
# No publication: chosen on the validation split.
_DIGITS = Defaults(
    model="lenet",
    epsilon=0.1,
    epochs=30,
    batch_size=64,
    replays=4,
    prototypes_per_class=5,
    learning_rate=0.2,
    schedule="cyclic",
)
DEFAULTS = {
    "digits": _DIGITS,
    "digits_2": _DIGITS,
    "mnist": _MNIST,
    "mnist_2": _MNIST,
    "cifar10": _CIFAR,
    "cifar10_2": _CIFAR,
    "cifar100": _CIFAR,
    "cifar100_10": _CIFAR,
    "svhn_cropped": _CIFAR,
    "tiny_imagenet": dataclasses.replace(_CIFAR, model="resnet50"),
}
_PREFIXES = ("tfds:", "folder:")  # other data sets, with the row of CIFAR
# Settings that are one of several names.
CHOICES = {
    "dataset": tuple(DEFAULTS),
    "preset": tuple(PRESETS),
    "pretrain": ("rocl", "acl"),
    "strategy": (
        "standard",
        "pgd",
        "fast",
        "n_fgsm",
        "free",
        "logit_pairing",
        "trades",
        "mtl_ibp",
        "feature_scattering",
        "atld",
    ),
    "head": tuple(HEADS),
    "model": (
        "lenet",
        "lenet_tla",
        "small_cnn",
        "medium_cnn",
        "resnet18",
        "resnet50",
        "wide_resnet",
    ),
    "regularizer": ("weights", "features", "none"),
    "optimizer": ("sgd", "adam"),
    "schedule": ("cyclic", "step", "constant"),
    "norm_mode": ("eval", "batch_stats", "train"),
    "attack_dtype": ("float32", "bfloat16"),
    "initializer": ("ibp",),
    "select": ("last", "best"),
    "jit": ("auto", "true", "false"),
}
_PGD = (
    "pgd",
    "logit_pairing",
    "trades",
    "mtl_ibp",
    "feature_scattering",
)  # several steps
_HEADLESS = ("standard", "atld", *_PGD[1:])  # unless a head is asked for
_SINGLE = ("fast", "n_fgsm")  # one step
_SMOOTHED = ("feature_scattering", "atld")  # smooth labels in their own way
_STRATEGIES = CHOICES["strategy"]
_ADVERSARIAL = tuple(s for s in _STRATEGIES if s != "standard")
# Settings that only some values of another setting use.
_NEEDS = {
    "steps": ("strategy", _PGD),
    "step_size": ("strategy", (*_PGD, *_SINGLE)),
    "noise": ("strategy", ("n_fgsm",)),
    "bound_weight": ("strategy", ("mtl_ibp",)),
    "initializer": ("strategy", ("mtl_ibp",)),
    "beta": ("strategy", ("trades",)),
    "replays": ("strategy", ("free",)),
    "clean_epochs": ("strategy", _ADVERSARIAL),
    "warmup_epochs": ("strategy", _ADVERSARIAL),
    "norm_mode": ("strategy", (*_PGD, *_SINGLE, "atld")),
    "attack_dtype": ("strategy", ("pgd", "logit_pairing", "mtl_ibp", *_SINGLE)),
    "awp_gamma": ("strategy", _ADVERSARIAL),
    "label_smoothing": (
        "strategy",
        tuple(s for s in _STRATEGIES if s not in _SMOOTHED),
    ),
    "drops": ("schedule", ("step",)),
    "pretrain_epochs": ("pretrain", ("rocl", "acl")),
    "pretrain_batch_size": ("pretrain", ("rocl", "acl")),
    "pretrained": ("pretrain", (None,)),
    "prototypes_per_class": ("head", ("soft_triple",)),
    "merge_threshold": ("head", ("soft_triple",)),
    "tau": ("head", ("soft_triple",)),
    "gamma": ("head", ("soft_triple",)),
    "scale": ("head", ("soft_triple",)),
    "margin": ("head", ("soft_triple",)),
    "head_weight": ("head", tuple(name for name in HEADS if name != "none")),
    "regularizer_weight": ("regularizer", ("weights", "features")),
    "width": ("model", ("resnet18", "resnet50", "wide_resnet")),
    "depth": ("model", ("wide_resnet",)),
    "widen": ("model", ("wide_resnet",)),
    "filters": ("model", ("lenet", "lenet_tla", "medium_cnn")),
}
# What is done to training images; `None` everywhere: what the data set prescribes.
MOVES = ("shift", "rotation", "stretch", "shear", "contrast")
_FIXES = {"dataset": "Others: a name of tensorflow-datasets, folder:<path>."}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All that decides the outcome of a run: JSON values, named like the flags."""

    dataset: str
    image_size: list[int] | None
    pretrain: str | None
    pretrain_epochs: int | None
    pretrain_batch_size: int | None
    pretrained: str | None
    strategy: str
    head: str
    model: str
    width: int | None
    depth: int | None
    widen: int | None
    filters: list[int] | None
    saturation: list[float] | None
    initializer: str | None
    epochs: int
    batch_size: int
    epsilon: float | str
    steps: int
    step_size: float | str | None
    beta: float | None
    noise: float | None
    bound_weight: float | None
    replays: int
    clean_epochs: int | None
    warmup_epochs: int
    prototypes_per_class: int | list[int]
    merge_threshold: float | None
    tau: float | None
    gamma: float | None
    scale: float | None
    margin: float | None
    head_weight: float
    regularizer: str
    regularizer_weight: float
    optimizer: str
    learning_rate: float
    schedule: str
    drop_at: float
    drops: list[int] | None
    norm_mode: str
    attack_dtype: str | None
    awp_gamma: float | None
    ema: float | None
    label_smoothing: float | None
    select: str | None
    train_examples: int | None
    shift: int | None
    rotation: float | None
    stretch: float | None
    shear: float | None
    contrast: float | None
    validation_steps: int
    validation_examples: int
    seed: int
    jit: str

    def to_dict(self) -> dict[str, Any]:
        """The settings by name."""
        return dataclasses.asdict(self)


def resolve(given: Mapping[str, Any]) -> Settings:
    """Completes what was given to the settings of a run.

    Args:
        given: values by flag name, `preset` among them; `None` means not given.

    Raises:
        ValueError: an unknown name (the message says which is nearest), or a value
            that would have no effect.
    """
    given = {name: value for name, value in given.items() if value is not None}
    if given.get("merge_threshold") == 0:  # off, as if it were not given
        del given["merge_threshold"]
    dataset = given.get("dataset", "digits_2")
    other = dataset not in DEFAULTS and (
        str(dataset).startswith(_PREFIXES) or tfds_info.knows(str(dataset), None)
    )
    for name in [name for name in CHOICES if name in given]:
        if name != "dataset" or not other:
            check_choice(name, given[name], CHOICES[name], _FIXES.get(name, ""))
    preset = dict(PRESETS.get(given.pop("preset", None), {}))
    if "pretrained" in given:  # in place of the pretraining of the preset
        for name in ("pretrain", "pretrain_epochs", "pretrain_batch_size"):
            preset.pop(name, None)
    chosen = {**preset, **given}
    row = _CIFAR if other else DEFAULTS[dataset]
    usual = _defaults(row, chosen)
    values = usual | chosen | {"dataset": dataset}
    for name, (setting, users) in _NEEDS.items():
        if values[setting] in users:
            continue
        if name in preset:  # for the value that was replaced
            values[name] = usual[name]
        if name in given:
            raise ValueError(
                f"`{name}` has no effect with {setting}={values[setting]}. Received: "
                f"{name}={given[name]}. {_instead(setting, users)}"
            )
    _check_drops(values)
    _check_shares(values)
    _check_saturation(values)
    _check_initializer(values)
    return Settings(**{f.name: values[f.name] for f in dataclasses.fields(Settings)})


def _instead(setting: str, users) -> str:
    if users == (None,):
        return "Remove one of the two flags."
    return f"Remove it, or choose {setting} from: {', '.join(map(str, users))}."


def _check_drops(values: Mapping[str, Any]) -> None:
    drops, epochs = values["drops"], values["epochs"]
    if drops is None:
        return
    inside = drops and 0 < drops[0] <= drops[-1] < epochs
    if drops != sorted(set(drops)) or not inside:
        raise ValueError(
            "`drops` must be epochs between 0 and the last, each once and in order. "
            f"Received: drops={','.join(map(str, drops))}, epochs={epochs}. Pass for "
            "example --epochs 120 --drops 60,90."
        )


def _check_saturation(values: Mapping[str, Any]) -> None:
    ends = values["saturation"]
    if ends is not None and not (len(ends) == 2 and ends[0] < ends[1]):
        raise ValueError(
            "`saturation` must be two ascending pixel values. Received: saturation="
            f"{','.join(map(str, ends))}. For MNIST at 0.3 pass 0.31,0.69."
        )


def _check_initializer(values: Mapping[str, Any]) -> None:
    for name in ("pretrain", "pretrained"):
        if values["initializer"] and values[name]:
            raise ValueError(
                f"`initializer` has no effect on weights that {name} brings. Received: "
                f"initializer={values['initializer']}, {name}={values[name]}. Remove "
                "one of the two flags."
            )


def _check_shares(values: Mapping[str, Any]) -> None:
    for name in ("ema", "label_smoothing"):
        if values[name] is not None and not 0 < values[name] < 1:
            raise ValueError(
                f"`{name}` must lie between 0 and 1 (a share). Received: "
                f"{name}={values[name]}. Leave it out to switch it off."
            )
    if values["select"] == "best" and not values["validation_steps"]:
        raise ValueError(
            "`select` needs an attack on the validation split. Received: select=best, "
            "validation_steps=0. Pass --validation_steps 10."
        )


def _defaults(row: Defaults, chosen: Mapping[str, Any]) -> dict[str, Any]:
    """The data set's row, as the chosen strategy uses it."""
    strategy = chosen.get("strategy", "pgd")
    single = strategy in _SINGLE
    schedule = chosen.get("schedule", "cyclic" if single else row.schedule)
    values = dataclasses.asdict(row) | {
        "strategy": strategy,
        "head": "none" if strategy in _HEADLESS else "soft_triple",
        "width": None,
        "depth": None,
        "widen": None,
        "filters": None,
        "saturation": None,
        "initializer": None,
        "image_size": None,
        "pretrain": None,
        "pretrain_epochs": None,
        "pretrain_batch_size": None,
        "pretrained": None,
        "drops": None,
        "beta": None,
        "noise": None,
        "bound_weight": None,
        "clean_epochs": None,
        "attack_dtype": None,
        "awp_gamma": None,
        "ema": None,
        "label_smoothing": None,
        "select": None,
        "merge_threshold": None,
        "tau": None,
        "gamma": None,
        "scale": None,
        "margin": None,
        "regularizer": "weights",
        "optimizer": "sgd",
        "schedule": schedule,
        "norm_mode": "eval",
        "train_examples": None,
        **dict.fromkeys(MOVES),
        "validation_steps": 10,
        "validation_examples": 512,
        "seed": 0,
        "jit": "auto",
    }
    if single:
        values |= {"epochs": row.fast_epochs, "step_size": row.fast_step_size}
    if strategy == "n_fgsm":  # a step of epsilon
        values |= {"noise": 2.0, "step_size": None}
    if single and schedule == "cyclic":
        values["learning_rate"] = row.fast_learning_rate
    if strategy == "trades":
        values |= {"steps": row.trades_steps, "step_size": row.trades_step_size}
        values["beta"] = row.trades_beta
    if strategy == "mtl_ibp":
        values["bound_weight"] = 0.2
    if strategy == "feature_scattering":
        values |= {"steps": 1, "step_size": None}
    if "pretrain" in chosen:
        values |= {"pretrain_epochs": 1000, "pretrain_batch_size": 512}
    if strategy == "free":
        replays = chosen.get("replays", row.replays)
        values["epochs"] = math.ceil(row.epochs / replays)
    if chosen.get("optimizer") == "adam":
        values["learning_rate"] = 0.001
    return values
