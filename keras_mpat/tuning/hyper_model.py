"""From a point of the space to a compiled `AdversarialModel`: what a trial trains.

    hyper_model = RobustHyperModel(build, (x, y), (x_val, y_val), mpat.Linf("8/255"))
    keras_mpat.tuning.search(hyper_model, search_dir="runs/search")

It is an ordinary `keras_tuner.HyperModel`, too: any tuner of keras-tuner takes it.
"""

from collections.abc import Callable
from typing import Any

import keras

from keras_mpat import layers, training
from keras_mpat.attacks import PGD
from keras_mpat.callbacks import PrototypeMerging
from keras_mpat.configurable import check_count
from keras_mpat.datasets import from_arrays
from keras_mpat.models import AdversarialModel
from keras_mpat.threat_models import ThreatModel
from keras_mpat.tuning import data_checks
from keras_mpat.tuning.searchable import SearchableHyperModel
from keras_mpat.tuning.space import SearchSpace

# What the space does not say; `steps` and `beta` are then those of the strategy.
USUAL = {
    "strategy": "pgd",
    "head": "soft_triple",
    "regularizer": "none",  # unless its weight is in the space
    "head_weight": 0.5,
    "prototypes_per_class": 10,
    "regularizer_weight": 0.001,
    "learning_rate": 0.1,
    "replays": 4,
    "step_size": None,
    "warmup_epochs": 0,
}
_KINDS = {
    "pgd": training.PGDTraining,
    "logit_pairing": training.LogitPairingTraining,
    "trades": training.TRADESTraining,
    "feature_scattering": training.FeatureScatteringTraining,
}
_OF_SOFT_TRIPLE = ("prototypes_per_class", "tau", "gamma", "scale", "margin")


class RobustHyperModel(SearchableHyperModel):
    """Adversarial training of the user's classifier, with a head, at points of a space.

    Args:
        build_classifier: a function without arguments that returns a new Keras
            classifier with logits (B, C), C >= 2. It runs in other processes, so it
            must be defined in a module or a script, not inside a function.
        train: (x, y), arrays of images (N, ...) within the bounds of the threat model
            (uint8 is scaled to them) and of class ids (N,); or a function of the
            keywords `seed` and `epoch` that returns what `fit` reads, starting with
            that epoch.
        validation: (x, y) in the same form, on which trials are judged; never the
            test set.
        threat_model: the ball of training and of the validation attack.
        space: what is searched; default `SearchSpace()`, lambda_1 and K.
        epochs: passes over the training data in a trial, >= 1.
        batch_size: images per batch, >= 1.
        validation_steps: steps of the PGD that attacks the validation images.
        optimizer: a function of the learning rate that returns a Keras optimizer;
            default SGD with momentum 0.9.

    Raises:
        ValueError: counts below 1, data that does not fit together, or something that
            another process could not be given.
    """

    def __init__(
        self,
        build_classifier: Callable[[], keras.Model],
        train,
        validation,
        threat_model: ThreatModel,
        *,
        space: SearchSpace | None = None,
        epochs: int = 10,
        batch_size: int = 128,
        validation_steps: int = 10,
        optimizer: Callable[[float], keras.Optimizer] | None = None,
    ):
        for name, value in (
            ("epochs", epochs),
            ("batch_size", batch_size),
            ("validation_steps", validation_steps),
        ):
            check_count(name, value, f"Pass for example {name}=10.")
        data_checks.check_function("build_classifier", build_classifier)
        if optimizer is not None:
            data_checks.check_function("optimizer", optimizer)
        bounds = threat_model.bounds
        validation = data_checks.checked_validation(validation, bounds)
        super().__init__(space or SearchSpace(), validation, epochs)
        self.build_classifier = build_classifier
        self.train = data_checks.checked_train(train, bounds)
        self.threat_model = threat_model
        self.batch_size = batch_size
        self.validation_steps = validation_steps
        self.optimizer = optimizer

    def model(self, values: dict[str, Any], *, seed: int) -> AdversarialModel:
        """The compiled model of one point.

        Args:
            values: hyper-parameters by name; others are as in `USUAL`.
            seed: of weights and noise.
        """
        usual = {"regularizer": "weights"} if "regularizer_weight" in values else {}
        values = USUAL | usual | values
        keras.utils.set_random_seed(seed)
        classifier = self.build_classifier()
        classes = classifier.output_shape[-1]
        pairs = [self.train] if isinstance(self.train, tuple) else []
        data_checks.check_classes(classes, self.validation, *pairs)
        regularizer = None if values["regularizer"] == "none" else values["regularizer"]
        model = AdversarialModel(
            classifier,
            strategy=self._strategy(values),
            head=_head(values, classes, seed),
            head_weight=values["head_weight"],
            regularizer=regularizer,
            regularizer_weight=values["regularizer_weight"] if regularizer else 0.0,
            validation_attack=PGD(self.threat_model, steps=self.validation_steps),
            seed=seed,
        )
        make = self.optimizer or _sgd
        model.compile(make(values["learning_rate"]), metrics=["accuracy"])
        return model

    def stream(self, values: dict[str, Any], *, seed: int, epoch: int):
        """The training data from an epoch on, in the order of a seed."""
        if not isinstance(self.train, tuple):
            return self.train(seed=seed, epoch=epoch)
        return from_arrays(
            *self.train,
            batch_size=self.batch_size,
            shuffle=True,
            seed=seed,
            epoch=epoch,
            bounds=self.threat_model.bounds,
            drop_remainder=True,  # Free adversarial training needs equal batches
        )

    def callbacks(self, values: dict[str, Any]) -> list[keras.callbacks.Callback]:
        """What a trial trains with besides its model."""
        threshold = values.get("merge_threshold")
        return [PrototypeMerging(threshold)] if threshold else []

    def identity(self) -> dict[str, Any]:
        """JSON values that tell this search from another in the same folder."""
        return {
            "classifier": data_checks.name_of(self.build_classifier),
            "train": data_checks.digest_of(self.train),
            "validation": data_checks.digest_of(self.validation),
            "threat_model": repr(self.threat_model),
            "space": self.space.to_dict(),
            "epochs": self.epochs,
            "batch_size": self.batch_size,
            "validation_steps": self.validation_steps,
        }

    def about(self) -> dict[str, Any]:
        """Facts for the reader of a report, by name."""
        where = self.threat_model
        return {
            "classifier": data_checks.name_of(self.build_classifier),
            "validation images": len(self.validation[1]),
            "validation attack": f"PGD-{self.validation_steps} in {where!r}",
        }

    def _strategy(self, values: dict[str, Any]) -> training.Strategy:
        if values["strategy"] == "standard":
            return training.StandardTraining()
        common = {"warmup_epochs": values["warmup_epochs"]}
        if values["strategy"] == "free":
            common |= {"replays": values["replays"], "batch_size": self.batch_size}
            return training.FreeTraining(self.threat_model, **common)
        if values["strategy"] == "atld":
            return training.ATLDTraining(self.threat_model, **common)
        common["step_size"] = values["step_size"]
        if values["strategy"] == "fast":
            return training.FastTraining(self.threat_model, **common)
        names = ("steps", "beta") if values["strategy"] == "trades" else ("steps",)
        common |= {name: values[name] for name in names if name in values}
        return _KINDS[values["strategy"]](self.threat_model, **common)


def _head(values: dict[str, Any], classes: int, seed: int) -> layers.Head | None:
    name = values["head"]
    if name == "none":
        return None
    if name == "soft_triple":
        options = {key: values[key] for key in _OF_SOFT_TRIPLE if key in values}
        return layers.SoftTripleHead(classes, **options)
    if name in ("proxy_nca", "proxy_anchor"):
        kind = layers.ProxyNCAHead if name == "proxy_nca" else layers.ProxyAnchorHead
        return kind(classes)
    if name == "n_pair":
        return layers.NPairHead(seed=seed)
    variant = {"triplet_random": {"negatives": "random"}}
    variant["triplet_switched"] = {"anchor": "clean"}
    return layers.TripletHead(seed=seed, **variant.get(name, {}))


def _sgd(rate: float) -> keras.Optimizer:
    return keras.optimizers.SGD(rate, momentum=0.9)
