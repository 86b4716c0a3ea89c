"""What the checks of an audit measure on; what is dear is computed once."""

import functools
import json
import os
from collections.abc import Callable

import numpy as np
from keras import ops

from keras_mpat import backend, noise
from keras_mpat.attacks import Attack, AutoAttack
from keras_mpat.evaluation import driver
from keras_mpat.evaluation.checks import route
from keras_mpat.evaluation.checks.check import NotRun
from keras_mpat.evaluation.loading import load_classifier, training_model
from keras_mpat.evaluation.robustness import (
    evaluate_robustness,
    fingerprint,
    named_attacks,
)
from keras_mpat.evaluation.state import digest
from keras_mpat.layers import Head
from keras_mpat.models.checks import shapes
from keras_mpat.objectives import CrossEntropy

_WORSE = 0.15  # of clean accuracy, by which a twin may be worse


class Subject:
    """A classifier, its test data and what is known about its training.

    Args:
        model: what was handed to `audit`: a classifier or an `AdversarialModel`.
        classifier: the Keras classifier that predicts.
        data: (x, y), NumPy: all examples of the evaluation.
        threat_model: what the adversary may do.
        attack: the evaluation that is audited: attacks as `evaluate_robustness` takes
            them; `None`: `AutoAttack`.
        examples: the first examples that the dearer checks take.
        state_dir: where the evaluation keeps its work.
        given: twins, runs, collapse_model, modes, record, train, head_model: see
            `audit`.
        options: seed, batch_size and verbose of `evaluate_robustness`.
        certify: whether the evaluation skips what it can prove.
    """

    def __init__(
        self,
        model,
        classifier,
        data,
        threat_model,
        *,
        attack,
        examples: int,
        state_dir: str,
        given: dict,
        options: dict,
        certify: bool = False,
    ):
        self.model, self.classifier = model, classifier
        self.all_x, self.all_y = data
        self.threat_model = threat_model
        self.attack = attack or AutoAttack(threat_model)
        self.x = self.all_x[:examples].astype("float32")
        self.y = self.all_y[:examples].astype("int32")
        self.state_dir = state_dir
        self.given, self._options, self._certify = given, options, certify
        self._verdicts: dict[str, np.ndarray] = {}

    @property
    def n(self) -> int:
        """How many examples the dearer checks take."""
        return len(self.x)

    @property
    def num_classes(self) -> int:
        """C."""
        return shapes(self.classifier)[1][-1]

    @functools.cached_property
    def headed(self):
        """The model with its head, for attacks that know it; `None`: it has none."""
        model = self.given.get("head_model") or training_model(self.model)
        if model is not None:
            return None if model.head is None else model
        layers = self.classifier.layers
        return self.classifier if any(isinstance(o, Head) for o in layers) else None

    def need(self, name: str, words: str):
        """One of `given`; raises `NotRun` where it is missing."""
        if self.given.get(name) is None:
            raise NotRun(f"needs {words}")
        return self.given[name]

    def twin(self, name: str):
        """The classifier of this twin; raises `NotRun` where none is that good."""
        twins = self.given.get("twins") or {}
        if name not in twins:
            raise NotRun(f"needs twins[{name!r}]")
        twin = load_classifier(twins[name])
        if self.accuracy(twin) < self.right(self.x).mean() - _WORSE:
            raise NotRun(f"needs twins[{name!r}] that is trained as well")
        return twin

    @functools.cached_property
    def result(self):
        """The evaluation that is audited, on all examples."""
        data, folder = (self.all_x, self.all_y), self.state_dir
        options = self._options | {"certify": self._certify, "state_dir": folder}
        return evaluate_robustness(self.classifier, data, self.attack, **options)

    @property
    def attacks(self) -> dict[str, Attack]:
        """The attacks of the evaluation by name."""
        return named_attacks(self.attack, self.num_classes)

    @functools.cached_property
    def plan(self) -> list:
        """The parts of the evaluation, in order."""
        return driver.plan(self.attacks, self.num_classes)

    @functools.cached_property
    def adversarial(self) -> tuple[np.ndarray, np.ndarray]:
        """(x_adv (M, ...), broken (N,)): the examples that fool, and whose they are."""
        evidence = self.result.evidence
        return evidence.adversarial, evidence.broken_by >= 0

    def part(self, *names: str) -> tuple[float, float]:
        """(accuracy before, accuracy after) a part of the evaluation.

        Raises:
            NotRun: the evaluation has no part of these names.
        """
        for stage in self.result.stages:
            before = self.result.clean_accuracy
            for part in stage.parts:
                if part.name in names:
                    return before, part.accuracy
                before = part.accuracy
        raise NotRun(f"needs AutoAttack, a version with {names[0]}, as the evaluation")

    def accuracy(self, model, x: np.ndarray | None = None) -> float:
        """Share of the first examples, or of x in their place, a model tells right."""
        parts = _parts(self.x if x is None else x)
        logits = [model(part, training=False) for part in parts]
        guesses = [np.argmax(ops.convert_to_numpy(part), axis=-1) for part in logits]
        return float(np.mean(np.concatenate(guesses) == self.y))

    def robust(self, attack: Attack, model=None) -> np.ndarray:
        """Verdicts (n,) of another attack on the first examples; bool.

        Those of the audited classifier are the worst of all ways; those of a model are
        of its own gradients.
        """
        ways = self.route.of(attack) if model is None else {"": attack}
        model = self.classifier if model is None else model
        key = json.dumps([fingerprint(model, ways), self.n], default=str)
        key = digest([np.array(key)])[:16]
        if key not in self._verdicts:
            folder = os.path.join(self.state_dir, "checks", key)
            data, quiet = (self.x, self.y), self._options | {"verbose": False}
            found = evaluate_robustness(model, data, ways, state_dir=folder, **quiet)
            self._verdicts[key] = found.robust
        return self._verdicts[key]

    @functools.cached_property
    def route(self) -> route.Route:
        """The ways of attacks: around what is dead, if the evaluation goes there."""
        return route.found(self)

    def found_by(self, attack: Attack, number: int) -> np.ndarray:
        """Where the first run of an attack ends, (n, ...); `number` names its noise."""

        def run(x, y, keys):
            return (attack.run(self.logits_fn, x, y, keys, 0),)

        keys = self.keys(number, self.n)
        return self.compute(backend.function(run), self.x, self.y, keys)[0]

    def predict(self, x: np.ndarray, batch_size: int | None = None) -> np.ndarray:
        """Logits (N, C) in float32, in batches of one size."""
        return self.compute(self._forward, x, batch_size=batch_size)[0]

    @functools.cached_property
    def _forward(self):
        return backend.function(lambda x: (self.logits_fn(x),))

    def logits_fn(self, x, model=None):
        """x (B, ...) -> logits (B, C), as attacks see them; of a model in its place."""
        model = self.classifier if model is None else model
        return ops.cast(model(x, training=False), "float32")

    def right(self, x: np.ndarray, y: np.ndarray | None = None) -> np.ndarray:
        """Which inputs are classified right, bool (N,)."""
        y = self.y[: len(x)] if y is None else y
        with backend.full_precision():
            logits = ops.convert_to_tensor(self.predict(x))
        fooled = CrossEntropy().fooled(ops.convert_to_tensor(y), logits)
        return ~ops.convert_to_numpy(fooled)

    def compute(self, function: Callable, *arrays, batch_size=None) -> list:
        """A compiled function of arrays (N, ...), batch after batch, as NumPy."""
        size, parts = batch_size or self._options["batch_size"], []
        count = len(arrays[0])
        for start in range(0, count, size):
            rows = np.minimum(np.arange(start, start + size), count - 1)
            batch = [ops.convert_to_tensor(array[rows]) for array in arrays]
            found = function(*batch)
            valid = min(size, count - start)
            parts.append([ops.convert_to_numpy(part)[:valid] for part in found])
        return [np.concatenate(part) for part in zip(*parts, strict=True)]

    def gradient(
        self, objective, x=None, y=None, model=None
    ) -> tuple[np.ndarray, np.ndarray]:
        """(input gradient (N, ...), values (N,)) of an objective."""
        x = self.x if x is None else x
        y = self.y if y is None else y
        key = objective, id(model)
        if key not in self._gradients:
            found = backend.function(self._gradient_of(objective, model))
            self._gradients[key] = found
        gradient, values = self.compute(self._gradients[key], x, y)
        return gradient, values

    @functools.cached_property
    def _gradients(self) -> dict:
        return {}

    def _gradient_of(self, objective, model):
        def run(x, y):
            def goal(z):
                logits = self.logits_fn(z, model)
                return objective(y, logits), logits

            return backend.input_gradient(goal, x)[:2]

        return run

    def keys(self, number: int, n: int) -> np.ndarray:
        """Keys of noise for n examples and one draw, (n, 2)."""
        keys = noise.of_indices(self._options["seed"], np.arange(n))
        return ops.convert_to_numpy(noise.fold(keys, number))


def _parts(x: np.ndarray) -> list[np.ndarray]:
    return np.array_split(x, -(-len(x) // 128))
