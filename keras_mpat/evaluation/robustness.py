"""`evaluate_robustness`: accuracy under attack, per example and in the worst case.

    result = evaluate_robustness("robust.keras", (x, y), attacks.PGD(Linf(0.3)))
    print(result.clean_accuracy, result.robust_accuracy, result.interval)

Data is taken in buckets of one fixed size; the last one is padded. Noise is keyed by
(seed, restart, example), so the order of the attacks and the number of examples do not
change a verdict.
"""

import json
import os
import time
from collections.abc import Mapping

import keras
import numpy as np
from keras import ops

from keras_mpat import backend, noise
from keras_mpat.attacks import Attack
from keras_mpat.attacks.attack import check_logits
from keras_mpat.configurable import check_count
from keras_mpat.evaluation import state as saved_state
from keras_mpat.evaluation.buckets import buckets
from keras_mpat.evaluation.result import RobustnessResult, Stage
from keras_mpat.input_checks import check_inputs, check_scale
from keras_mpat.models.adversarial_model import AdversarialModel
from keras_mpat.models.checks import shapes
from keras_mpat.models.forward import with_logits
from keras_mpat.objectives import CrossEntropy


def evaluate_robustness(
    model_or_path,
    data,
    attacks,
    *,
    limit: int | None = None,
    batch_size: int = 128,
    state_dir: str | os.PathLike | None = None,
    seed: int = 0,
    verbose: bool = True,
) -> RobustnessResult:
    """Runs attacks on a classifier and returns the verdict for each example.

    Every attack starts from the clean image. An example that is wrong without an attack
    counts as not robust.

    Args:
        model_or_path: a Keras classifier with logits, an `AdversarialModel` (its
            classifier is evaluated), or the path of a `.keras` file.
        data: (x, y) arrays or a `tf.data.Dataset` of batches (x, y), in a fixed order.
        attacks: one attack, a list, or a dict from names to attacks.
        limit: evaluate the first `limit` examples only; `None`: all.
        batch_size: examples per bucket, >= 1.
        state_dir: folder in which finished buckets are kept; the same call continues
            after an interruption.
        seed: seed of the attacks' noise, >= 0.
        verbose: show a progress bar with the time left.

    Returns:
        A `RobustnessResult`.

    Raises:
        ValueError: a count below 1, a model that ends in softmax, inputs outside the
            bounds, labels that do not fit, no data, or a `state_dir` of another
            evaluation.
    """
    check_count("batch_size", batch_size, "128 suits most.")
    if limit is not None:
        check_count("limit", limit, "None evaluates all examples.")
    classifier = _load(model_or_path)
    named = _by_name(attacks)
    run = _Run(classifier, named, seed)
    state = saved_state.State(state_dir, run.fingerprint(batch_size, limit))
    threat_models = [attack.threat_model for attack in named.values()]
    shape, output = shapes(classifier)
    total = saved_state.count(data, limit, batch_size)
    progress = keras.utils.Progbar(total, unit_name="batch", verbose=int(verbose))
    filled = buckets(data, batch_size, limit, output[-1])
    for number, (x, y, valid) in enumerate(filled):
        data_digest = saved_state.digest([x, y])
        rows = state.get(number, data_digest)
        if rows is None:
            for threat_model in threat_models:
                check_inputs(x[:valid], threat_model, shape[1:])
                if not number:  # the last bucket may be one dark image
                    check_scale(x[:valid], threat_model)
            rows, seconds = run.bucket(x, y, number * batch_size)
            rows = {name: values[:valid] for name, values in rows.items()}
            state.put(number, data_digest, rows, seconds)
        progress.update(number + 1, finalize=number + 1 == total)
    return _result(state, named, seed)


def _result(state, named: dict[str, Attack], seed: int) -> RobustnessResult:
    rows = state.concatenated()
    stages = tuple(
        Stage(name, repr(attack), rows[f"attack {name}"], state.seconds(name))
        for name, attack in named.items()
    )
    robust = np.logical_and.reduce([rows["clean"], *(s.correct for s in stages)])
    zero = float(np.mean(rows["zero gradient"]))
    return RobustnessResult(rows["clean"], robust, stages, zero, seed)


class _Run:
    """The compiled functions of one evaluation."""

    def __init__(self, classifier, named: dict[str, Attack], seed: int):
        self._classifier, self._named, self._seed = classifier, named, seed
        self._clean = backend.function(self._clean_pass)
        self._attacks = {
            name: backend.function(self._attack_pass(attack))
            for name, attack in named.items()
        }

    def _logits(self, x):
        return self._classifier(x, training=False)

    def _clean_pass(self, x, y):
        def goal(z):
            logits = ops.cast(self._logits(z), "float32")
            return CrossEntropy()(y, logits), logits

        gradient, _, logits = backend.input_gradient(goal, x)
        size = ops.max(ops.abs(ops.reshape(gradient, (x.shape[0], -1))), axis=-1)
        return ~CrossEntropy().fooled(y, logits), size == 0, logits

    def _attack_pass(self, attack: Attack):
        def attack_pass(x, y, keys):
            x_adv = attack(self._logits, x, y, keys)
            return ~CrossEntropy().fooled(y, self._logits(x_adv))

        return attack_pass

    def bucket(self, x, y, first: int) -> tuple[dict, dict]:
        """Verdicts of one bucket, bool (B,) each, and seconds, by name."""
        keys = noise.of_indices(self._seed, np.arange(first, first + len(x)))
        x, y = ops.convert_to_tensor(x, "float32"), ops.convert_to_tensor(y, "int32")
        clean, zero, logits = map(ops.convert_to_numpy, self._clean(x, y))
        check_logits(logits)
        rows, seconds = {"clean": clean, "zero gradient": zero}, {}
        for name, function in self._attacks.items():
            started = time.perf_counter()
            correct = ops.convert_to_numpy(function(x, y, keys))
            rows[f"attack {name}"] = correct & clean
            seconds[name] = time.perf_counter() - started
        return rows, seconds

    def fingerprint(self, batch_size: int, limit: int | None) -> dict:
        """What must be equal for kept buckets to be used again."""
        attacks = {  # the repr of a large array leaves numbers out
            name: keras.saving.serialize_keras_object(attack)
            for name, attack in self._named.items()
        }
        weights = saved_state.digest(self._classifier.get_weights())
        model = keras.saving.serialize_keras_object(self._classifier)
        settings = json.dumps(saved_state.without_names(model), default=str)
        return {
            "layers": saved_state.digest([np.array(settings)]),
            "attacks": attacks,
            "seed": self._seed,
            "batch_size": batch_size,
            "limit": limit,
            "weights": weights,
        }


def _load(model_or_path):
    model = model_or_path
    if isinstance(model, (str, os.PathLike)):
        if not os.path.exists(model):
            raise ValueError(
                "`model_or_path` must be a Keras classifier, an AdversarialModel or "
                f"the path of a .keras file. Received: {os.fspath(model)!r}, where "
                "there is no file. Save one with model.classifier.save(...)."
            )
        model = keras.models.load_model(model, compile=False)
    if isinstance(model, AdversarialModel):
        model = model.predictor
    if not isinstance(model, keras.Model):
        raise ValueError(
            "`model_or_path` must be a Keras classifier, an AdversarialModel or the "
            f"path of a .keras file. Received: a {type(model_or_path).__name__}. "
            "Pass the model itself, e.g. models.lenet(10)."
        )
    if with_logits(model) is not model:
        raise ValueError(
            "`model_or_path` must end in logits: a saturated softmax has zero "
            f"gradients and looks robust. Received: {model.name!r}, which ends in "
            "softmax. Pass keras_mpat.models.as_logits(model)."
        )
    return model


def _by_name(attacks) -> dict[str, Attack]:
    if not isinstance(attacks, (list, tuple, Mapping)):
        attacks = [attacks]
    for attack in attacks.values() if isinstance(attacks, Mapping) else attacks:
        if not isinstance(attack, Attack):
            raise ValueError(
                "`attacks` must be an attack, a list or a dict of attacks. Received: "
                f"attacks with {attack!r}. Pass attacks.PGD(keras_mpat.Linf(0.3))."
            )
    if not isinstance(attacks, Mapping):
        names = [type(attack).__name__ for attack in attacks]
        attacks = {
            name if names.count(name) == 1 else f"{name} {number}": attack
            for number, (name, attack) in enumerate(
                zip(names, attacks, strict=True), start=1
            )
        }
    if not attacks:
        raise ValueError(
            "`attacks` must hold at least one attack. Received: none. Pass "
            "attacks.PGD(keras_mpat.Linf(0.3))."
        )
    return dict(attacks)
