"""`latent_set`: attacks examples, and embeds them before and after.

The work is that of `evaluate_robustness`: the same driver, the same noise for the same
(seed, attack, example), the same check of each success. Only that examples which are
wrong without an attack are attacked, too, and that what withstands is kept as the
attack left it: the analyses ask where an attack moves an example, fooled or not.
"""

import os
from typing import Any

import numpy as np

from keras_mpat import backend
from keras_mpat.attacks import Attack
from keras_mpat.configurable import check_count, check_switch
from keras_mpat.evaluation import driver
from keras_mpat.evaluation import state as saved_state
from keras_mpat.evaluation.buckets import buckets
from keras_mpat.evaluation.embeddings import as_array, outputs
from keras_mpat.evaluation.latent.inputs import checked_classes
from keras_mpat.evaluation.latent.latent_set import LatentSet
from keras_mpat.evaluation.loading import load_classifier
from keras_mpat.evaluation.progress import Progress
from keras_mpat.evaluation.robustness import BATCHES, fingerprint, stepper
from keras_mpat.input_checks import check_inputs, check_labels, check_scale
from keras_mpat.models.adversarial_model import AdversarialModel
from keras_mpat.models.checks import shapes
from keras_mpat.models.embedding import feature_model


def latent_set(
    model,
    x,
    y,
    attack: Attack,
    *,
    modes=None,
    feature_layer=None,
    batch_size: int = 128,
    seed: int = 0,
    keep_examples: bool = False,
    state_dir: str | os.PathLike | None = None,
    verbose: bool = True,
) -> LatentSet:
    """Embeddings and predictions of examples, clean and under one attack.

    Args:
        model: an `AdversarialModel` (what it predicts from is attacked), a Keras
            classifier with logits, or the path of a `.keras` file.
        x: examples (N, ...), float, in the bounds of the attack's threat model.
        y: their classes, (N,), (N, 1) or one-hot (N, C).
        attack: the attack.
        modes: their fine labels (N,), integers >= 0. Default None: unknown.
        feature_layer: where the embedding is: a name, "inner/name", a layer or a
            tensor, whose output is flattened. Default None: the input of the last
            layer, or what the `AdversarialModel` says.
        batch_size: examples per batch, >= 1.
        seed: seed of the attack's noise, >= 0.
        keep_examples: keep the adversarial examples, as large as x, to show them.
        state_dir: folder in which the work is kept; the same call continues after an
            interruption.
        verbose: show a progress bar with the time left.

    Returns:
        A `LatentSet`.

    Raises:
        ValueError: a model, layer, inputs or labels that do not fit, something else
            than an attack, or a `state_dir` of another evaluation.
    """
    check_count("batch_size", batch_size, "128 suits most.")
    check_count("seed", seed, "Pass seed=0.", minimum=0)
    check_switch("keep_examples", keep_examples)
    classifier = load_classifier(model)
    both = _feature_model(model, classifier, feature_layer)
    shape, output = shapes(classifier)
    x, y = as_array(x), as_array(y)
    _check(x, y, attack, shape[1:], output[-1])
    one_hot = y.ndim == 2 and y.shape[1] > 1
    y = (np.argmax(y, axis=1) if one_hot else y.reshape(-1)).astype("int64")
    if modes is not None:
        modes = checked_classes("modes", modes, len(x))
    options = {"seed": seed, "batch_size": batch_size}
    state = _attacked(classifier, (x, y), attack, options, state_dir, verbose)
    x_adv = state.concatenated("adversarial")

    def embed(batch):
        return both(batch, training=False)[1]

    with backend.full_precision():
        clean, adversarial = (outputs(embed, data, batch_size) for data in (x, x_adv))
    return LatentSet(
        clean=clean,
        adversarial=adversarial,
        y=y,
        clean_predicted=state.concatenated("clean predicted"),
        adversarial_predicted=state.concatenated("predicted"),
        num_classes=output[-1],
        attack=repr(attack),
        seed=seed,
        modes=modes,
        examples=x_adv if keep_examples else None,
    )


def _feature_model(model, classifier, feature_layer):
    if not isinstance(model, AdversarialModel):
        return feature_model(classifier, feature_layer)
    if feature_layer is None:
        feature_layer = model.feature_layer
    return feature_model(model.classifier, feature_layer)


def _check(x, y, attack, shape: tuple, num_classes: int) -> None:
    if not isinstance(attack, Attack):
        raise ValueError(
            f"`attack` must be one attack. Received: attack={attack!r}. Pass "
            "attacks.PGD(keras_mpat.Linf(0.3)); of several make an attacks.WorstCase."
        )
    attack.check(shape, num_classes)
    check_inputs(x, attack.threat_model, shape)
    check_scale(x, attack.threat_model)
    check_labels(y, num_classes, len(x))


def _attacked(
    classifier, data, attack: Attack, options: dict[str, Any], state_dir, verbose: bool
) -> saved_state.State:
    """The finished chunks of all examples."""
    named = {"attack": attack}
    num_classes = shapes(classifier)[1][-1]
    parts = driver.plan(named, num_classes)
    work = driver.Driver(classifier, parts, keep=True, everyone=True, **options)
    identity = fingerprint(classifier, named) | options | {"everyone": True}
    state = saved_state.State(state_dir, identity)
    size = BATCHES * options["batch_size"]
    progress = Progress(parts, -(-len(data[0]) // size), verbose)
    for number, (x, y, valid) in enumerate(buckets(data, size, None, num_classes)):
        x, y = x[:valid].astype("float32"), y[:valid]
        chunk = state.chunk(number, saved_state.digest([x, y]))
        if not chunk.finished:
            step = stepper(state, chunk, progress)
            work.work(chunk, x, y, number * size, step)
            state.save(chunk)
        progress.end_chunk()
    return state
