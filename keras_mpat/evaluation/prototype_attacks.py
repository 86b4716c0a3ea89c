"""`prototype_attacks`: the attacks that know the head, built for one model.

    adaptive = prototype_attacks(model, Linf("8/255"), train=(x_train, y_train))
    result = evaluate_robustness(model, test, adaptive)

A head with prototypes can look robust because its similarities saturate: attacks that
raise the loss alone then prove little. Make them when training is over.
"""

import warnings
from collections.abc import Mapping
from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from keras_mpat.attacks import (
    APGD,
    Attack,
    FeatureMatching,
    LatentAttack,
    SimilarityMargin,
    TowardPrototype,
    Transfer,
    UnnormalizedMargin,
)
from keras_mpat.configurable import check_count
from keras_mpat.evaluation.embeddings import as_array, outputs
from keras_mpat.input_checks import check_inputs, check_labels
from keras_mpat.layers import Head, SimilarityHead
from keras_mpat.models import checks
from keras_mpat.models.adversarial_model import AdversarialModel
from keras_mpat.models.embedding import feature_model
from keras_mpat.objectives import CrossEntropy, Margin, Scaled
from keras_mpat.threat_models import check_threat_model

_MARGIN = Margin(kappa=None)
_NEAREST = 20  # foreign prototypes that an image is led to
_NEIGHBORS = 5  # training images of other classes, likewise
_MARGIN_STEPS = 20  # that follow
_FACTORS = (0.01, 1.0, 100.0)  # on logits before cross-entropy
_BATCH = 128


class _Inside(NamedTuple):
    """A classifier from inside: inputs -> embedding, the head, and who predicts."""

    features: keras.Model
    head: Head
    head_predicts: bool
    num_classes: int


def prototype_attacks(
    model, threat_model, *, head=None, train=None, twins=None, steps: int = 100
) -> dict[str, Attack]:
    """The attacks that know a model's head, by name, for `evaluate_robustness`.

    All of them climb as APGD does, and the model that is evaluated is the judge of
    every point on the way. What they raise:

    * P1 the margin of the logits;
    * P2 the margin of the head's similarities, P3 the sum of both; left out where the
      head predicts, because they are P1 there;
    * P4 the lead of one foreign prototype, for each of the 20 nearest ones in use;
    * P5 closeness to the embeddings of the 5 nearest training images of other classes,
      then the margin for 20 steps;
    * P6 cross-entropy of the logits times 0.01, 1 and 100;
    * P7 the lead of the best foreign prototype in products with the embedding as it
      is, not divided by its length;
    * P8 the margin on a twin, e.g. one trained without the head: see `Transfer`.

    A head without prototypes (`TripletHead`, `NPairHead`) has P1, P5, P6 and P8.

    Args:
        model: an `AdversarialModel` with a head, or a classifier: one from
            `replace_head`, or any together with `head`.
        threat_model: `Linf`, `L2` or your own.
        head: a built head on the classifier's embedding. Default `None`: the model's.
        train: (x, y), training images and labels, for P5. A few thousand will do.
        twins: surrogates by name, for P8: models or paths of `.keras` files.
        steps: of each run, >= 1.

    Returns:
        Attacks by name. A warning says if P5 or P8 is left out.

    Raises:
        ValueError: a model without a head, a head of another model, or training images
            that do not fit.
    """
    check_count("steps", steps, "The usual value is 100.")
    check_threat_model(threat_model)
    inside = _inside(model, head)
    options = {"features": inside.features, "head": inside.head, "steps": steps}

    def climb(objective, **kwargs):
        return LatentAttack(threat_model, objective=objective, **options, **kwargs)

    found: dict[str, Attack] = {
        "P1 margin": APGD(threat_model, steps=steps, objective=_MARGIN)
    }
    if isinstance(inside.head, SimilarityHead) and not inside.head_predicts:
        found["P2 similarities"] = climb(SimilarityMargin())
        found["P3 logits + similarities"] = climb(SimilarityMargin(with_logits=True))
    if inside.head.prototype_directions() is not None:
        found["P4 prototypes"] = climb(TowardPrototype(_most_foreign(inside.head)))
    if train is not None:
        objective = _matching(inside, train, threat_model)
        found["P5 features"] = climb(objective, margin_steps=_MARGIN_STEPS)
    for factor in _FACTORS:
        objective = Scaled(CrossEntropy(), factor)
        attack = APGD(threat_model, steps=steps, objective=objective)
        found[f"P6 cross-entropy × {factor:g}"] = attack
    if inside.head.prototype_directions() is not None:
        found["P7 raw embedding"] = climb(UnnormalizedMargin())
    for name, twin in _by_name(twins).items():
        attack = Transfer(found["P1 margin"], surrogate=twin)
        found[f"P8 transfer from {name}"] = attack
    _say_what_is_left_out(train, twins)
    return found


def _inside(model, head) -> _Inside:
    """Finds the head and the embedding of a model."""
    if isinstance(model, AdversarialModel):
        classifier, place = model.classifier, model.feature_layer
        predicts = head is None and model.predict_from != "linear"
        head = model.head if head is None else head
    else:
        checks.check_classifier(model)
        classifier, place = model, None
        inner = [layer for layer in model.layers if isinstance(layer, Head)]
        head = inner[-1] if head is None and inner else head
        predicts = any(layer is head for layer in inner)
    if not isinstance(head, Head):
        raise ValueError(
            "`model` must have a head, which these attacks are about. Received: "
            f"{type(model).__name__} with head={head!r}. Pass an "
            "AdversarialModel with one, or head=; attacks.AutoAttack needs none."
        )
    if not head.built:
        raise ValueError(
            "`head` must be built: its prototypes would be random. Received: "
            f"{head.name!r}, built=False. Pass the head of the trained model."
        )
    num_classes = checks.check_outputs(classifier, head)
    both = feature_model(classifier, place)
    size, shape = both.outputs[1].shape[-1], checks.shapes(classifier)[0][1:]
    checks.check_built_head(head, size, shape)
    features = keras.Model(both.inputs[0], both.outputs[1], name=classifier.name)
    return _Inside(features, head, predicts, num_classes)


def _most_foreign(head) -> int:
    """How many foreign prototypes an image may have at most, or 20."""
    active = ops.convert_to_numpy(head.prototype_directions()[1]) > 0
    return min(_NEAREST, int(active.sum() - active.sum(axis=1).min()))


def _matching(inside: _Inside, train, threat_model) -> FeatureMatching:
    """The objective of P5, from training images."""
    if not isinstance(train, (tuple, list)) or len(train) != 2:
        raise ValueError(
            "`train` must be (x, y): training images and their labels. Received: "
            f"train of type {type(train).__name__}. Pass (x_train, y_train)."
        )
    x, y = map(as_array, train)
    check_inputs(x, threat_model, tuple(inside.features.input_shape[1:]))
    check_labels(y, inside.num_classes, len(x))
    if y.ndim == 2 and y.shape[1] > 1:
        y = np.argmax(y, axis=1)
    latent = outputs(lambda batch: inside.features(batch, training=False), x, _BATCH)
    return FeatureMatching(latent, y.reshape(-1), neighbors=_NEIGHBORS)


def _by_name(twins) -> Mapping:
    if twins is not None and not isinstance(twins, Mapping):
        raise ValueError(
            "`twins` must be a dict from names to models or paths. Received: twins of "
            f"type {type(twins).__name__}. Pass twins={{'no head': other_model}}."
        )
    return twins or {}


def _say_what_is_left_out(train, twins) -> None:
    missing = []
    if train is None:
        missing.append("P5 (pass train=(x, y))")
    if not twins:
        missing.append("P8 (pass twins={'no head': model})")
    if missing:
        text = f"prototype_attacks leaves out {' and '.join(missing)}."
        warnings.warn(text, stacklevel=3)
