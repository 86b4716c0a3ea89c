"""From settings to a compiled model: classifier, strategy, head, learning rate."""

from pathlib import Path
from typing import Any

import keras
from heads import build_head
from refinements import averaging, loss
from settings import MOVES, Settings

import keras_mpat as mpat
from keras_mpat import datasets, pretraining


def build(settings: Settings, steps: int, **where) -> mpat.AdversarialModel:
    """The compiled model of a run with `steps` batches per epoch.

    `where` is what `datasets.info` needs besides the name.
    """
    keras.utils.set_random_seed(settings.seed)
    info = datasets.info(settings.dataset, **where)
    threat_model = mpat.Linf(settings.epsilon)
    attack = None
    if settings.validation_steps:
        attack = mpat.attacks.PGD(threat_model, steps=settings.validation_steps)
    regularizer = None if settings.regularizer == "none" else settings.regularizer
    model = mpat.AdversarialModel(
        build_classifier(settings, info),
        strategy=build_strategy(settings, threat_model),
        head=build_head(settings, info.num_classes),
        head_weight=settings.head_weight,
        regularizer=regularizer,
        regularizer_weight=settings.regularizer_weight if regularizer else 0.0,
        validation_attack=attack,
        seed=settings.seed,
    )
    rate = build_schedule(settings, steps, model.strategy.updates_per_batch)
    if settings.optimizer == "adam":
        optimizer = keras.optimizers.Adam(rate, **averaging(settings))
    else:
        optimizer = keras.optimizers.SGD(rate, momentum=0.9, **averaging(settings))
    jit = {"auto": "auto", "true": True, "false": False}[settings.jit]
    model.compile(optimizer, loss(settings), jit_compile=jit, metrics=["accuracy"])
    return model


def build_classifier(settings: Settings, info: datasets.DatasetInfo) -> keras.Model:
    """The network that `settings` names, for the images of a data set.

    Raises:
        ValueError: a size that the network cannot have, or images that ACL's published
            weights are not for.
    """
    options: dict[str, Any] = {"input_shape": info.input_shape}
    # Of a set that does not say: about -2 to 2, whatever the number of channels.
    options |= {"mean": info.mean or 0.5, "std": info.std or 0.25}
    if is_published(settings):  # with the mean of ImageNet, whatever the images
        _check_published(settings, info)
        mean, std = pretraining.IMAGENET_MEAN, pretraining.IMAGENET_STD
        options |= {"mean": mean, "std": std}
    sizes = {
        "width": settings.width,
        "depth": settings.depth,
        "widen": settings.widen,
    }
    options |= {name: size for name, size in sizes.items() if size is not None}
    if settings.filters is not None:
        options["filters"] = tuple(settings.filters)
    builders = {
        "lenet": mpat.models.lenet,
        "lenet_tla": mpat.models.lenet_tla,
        "medium_cnn": mpat.models.medium_cnn,
        "resnet18": mpat.models.resnet18,
        "resnet50": mpat.models.resnet50,
        "small_cnn": mpat.models.small_cnn,
        "wide_resnet": mpat.models.wide_resnet,
    }
    classifier = builders[settings.model](info.num_classes, **options)
    if settings.initializer == "ibp":
        mpat.models.ibp_initialize(classifier)
    if settings.saturation is None:
        return classifier
    return mpat.models.behind_saturation(classifier, *settings.saturation)


def _check_published(settings: Settings, info: datasets.DatasetInfo) -> None:
    if settings.model != "resnet18" or info.input_shape[-1] != 3:
        raise ValueError(
            "`pretrained` must be the folder of a pretraining: files of ACL are for "
            f"resnet18 on color images. Received: pretrained={settings.pretrained}, "
            f"model={settings.model}, images of shape {tuple(info.input_shape)}. Pass "
            "the folder, or --model resnet18 on color images."
        )


def is_published(settings: Settings) -> bool:
    """Whether the first weights are those of ACL's repository."""
    return Path(settings.pretrained or "").suffix in (".npz", ".pt", ".pth")


def build_strategy(settings: Settings, threat_model) -> mpat.training.Strategy:
    """The strategy that `settings` names, against perturbed weights if they say so."""
    strategy = _build_strategy(settings, threat_model)
    if settings.awp_gamma is None:
        return strategy
    return mpat.training.AWPTraining(strategy, settings.awp_gamma)


def _build_strategy(settings: Settings, threat_model) -> mpat.training.Strategy:
    if settings.strategy == "standard":
        return mpat.training.StandardTraining()
    common: dict[str, Any] = {
        "clean_epochs": settings.clean_epochs or 0,
        "warmup_epochs": settings.warmup_epochs,
    }
    if settings.strategy == "free":
        common |= {"replays": settings.replays, "batch_size": settings.batch_size}
        return mpat.training.FreeTraining(threat_model, **common)
    common["norm_mode"] = settings.norm_mode
    if settings.strategy == "atld":
        return mpat.training.ATLDTraining(threat_model, **common)
    common["step_size"] = settings.step_size
    if settings.attack_dtype is not None:
        common["attack_dtype"] = settings.attack_dtype
    if settings.strategy == "fast":
        return mpat.training.FastTraining(threat_model, **common)
    if settings.strategy == "n_fgsm":
        common["noise"] = settings.noise
        return mpat.training.NFGSMTraining(threat_model, **common)
    if settings.strategy == "trades":
        common["beta"] = settings.beta
    if settings.strategy == "mtl_ibp":
        common["bound_weight"] = settings.bound_weight
    kinds = {
        "pgd": mpat.training.PGDTraining,
        "logit_pairing": mpat.training.LogitPairingTraining,
        "trades": mpat.training.TRADESTraining,
        "mtl_ibp": mpat.training.MTLIBPTraining,
        "feature_scattering": mpat.training.FeatureScatteringTraining,
    }
    return kinds[settings.strategy](threat_model, steps=settings.steps, **common)


def build_schedule(settings: Settings, steps: int, updates_per_batch: int):
    """The learning rate: a number, or a function of the optimizer's step."""
    rate, effective = settings.learning_rate, settings.epochs * updates_per_batch
    if settings.schedule == "cyclic":  # from 0.001 at the published 0.2
        total = steps * effective
        return mpat.schedules.CyclicLearningRate(rate / 200, rate, total)
    if settings.drops is not None:
        passes = steps * updates_per_batch
        values = [rate / 10**drop for drop in range(len(settings.drops) + 1)]
        return keras.optimizers.schedules.PiecewiseConstantDecay(
            [epoch * passes for epoch in settings.drops], values
        )
    if settings.schedule == "step":
        return mpat.schedules.StepDecay(
            rate,
            drop_every=max(1, round(settings.drop_at * effective)),
            steps_per_epoch=steps,
            replays=updates_per_batch,
        )
    return rate


def stream_options(settings: Settings) -> dict[str, Any]:
    """What `datasets.load` needs for the training images, besides where they are."""
    options: dict[str, Any] = {
        "batch_size": settings.batch_size,
        "limit": settings.train_examples,
        "seed": settings.seed,
    }
    moves = {name: getattr(settings, name) for name in MOVES}
    given = {name: value for name, value in moves.items() if value is not None}
    if given.keys() - {"shift"}:  # in place of what the data set prescribes
        options["augment"] = datasets.RandomAffine(**given)
    elif given:
        options["augment"] = datasets.PadCropFlip(padding=settings.shift, flip=False)
    return options
