"""Questions that are asked before training starts; each error says what to change."""

import keras

from keras_mpat import replicas
from keras_mpat.attacks import Attack
from keras_mpat.choices import check_choice, nearest
from keras_mpat.configurable import check_count, check_not_negative
from keras_mpat.layers import Head, SimilarityHead, SoftTripleHead
from keras_mpat.models import subclassed
from keras_mpat.training import Strategy

# Of each kind, by the names of the command line: what a message proposes.
_INSTANCES = {
    Strategy: {
        "pgd": "training.PGDTraining(keras_mpat.Linf(0.3))",
        "free": "training.FreeTraining(keras_mpat.Linf(0.3))",
        "fast": "training.FastTraining(keras_mpat.Linf(0.3))",
        "logit_pairing": "training.LogitPairingTraining(keras_mpat.Linf(0.3))",
        "trades": "training.TRADESTraining(keras_mpat.Linf(0.3))",
        "feature_scattering": (
            "training.FeatureScatteringTraining(keras_mpat.Linf(0.3))"
        ),
        "atld": "training.ATLDTraining(keras_mpat.Linf(0.3))",
        "standard": "training.StandardTraining()",
    },
    Head: {
        "soft_triple": "SoftTripleHead(num_classes)",
        "triplet": "TripletHead()",
        "n_pair": "NPairHead()",
        "proxy_nca": "ProxyNCAHead(num_classes)",
        "proxy_anchor": "ProxyAnchorHead(num_classes)",
    },
    Attack: {
        "pgd": "attacks.PGD(keras_mpat.Linf(0.3))",
        "fgsm": "attacks.FGSM(keras_mpat.Linf(0.3))",
        "cw": "attacks.CW(keras_mpat.Linf(0.3))",
        "mim": "attacks.MIM(keras_mpat.Linf(0.3))",
    },
}
_BINARY = {
    "BinaryCrossentropy",
    "BinaryFocalCrossentropy",
    "binary_crossentropy",
    "binary_focal_crossentropy",
}
_OF_PROBABILITIES = {
    "KLDivergence",
    "kl_divergence",
    "Poisson",
    "poisson",
}
_KINDS = {"strategy": Strategy, "head": Head, "validation_attack": Attack}


def check_classifier(classifier, wrapper: type | None = None) -> None:
    """Raises unless `classifier` is a built Keras model, and no `wrapper` of one."""
    if wrapper is not None and isinstance(classifier, wrapper):
        raise ValueError(
            "`classifier` must be a classifier itself. Received: "
            f"{type(classifier).__name__}, which holds one. Pass model.classifier."
        )
    if not isinstance(classifier, keras.Model):
        raise ValueError(
            "`classifier` must be a keras.Model that ends in logits. Received: "
            f"a {type(classifier).__name__}. Build one, e.g. models.lenet(10)."
        )
    if not classifier.built:
        raise ValueError(
            "`classifier` must be built, else its input shape is unknown. Received: "
            f"name={classifier.name!r}, built=False. Add keras.Input(shape=...) as its "
            "first layer, or call it once."
        )


def _instance_fix(kind, value) -> str:
    """What to pass instead of a name, a class or something else."""
    examples = _INSTANCES[kind]
    name = nearest(value, examples) if isinstance(value, str) else None
    return f"Pass an instance such as {examples[name or next(iter(examples))]}."


def check_arguments(arguments: dict) -> None:
    """Raises if an argument of `AdversarialModel` has the wrong kind or range."""
    for name, kind in _KINDS.items():
        value = arguments[name]
        if value is None and name != "strategy":
            continue
        if not isinstance(value, kind):
            raise ValueError(
                f"`{name}` must be a keras_mpat {kind.__name__} instance. "
                f"Received: {name}={value!r}. {_instance_fix(kind, value)}"
            )
    for name in ("head_weight", "regularizer_weight"):
        check_not_negative(name, arguments[name], "a factor", "0 switches it off.")
    check_count("seed", arguments["seed"], "Pass seed=0.", minimum=0)
    unused = arguments["head"] is None and arguments["regularizer"] != "features"
    if unused and arguments["feature_layer"] is not None:
        raise ValueError(
            "`feature_layer` has no effect without a head or regularizer='features'. "
            f"Received: feature_layer={arguments['feature_layer']!r}. Remove it."
        )
    if arguments["regularizer"] not in ("weights", "features", None):
        raise ValueError(
            "`regularizer` must be 'weights', 'features' or None. Received: "
            f"regularizer={arguments['regularizer']!r}. None adds no such term."
        )
    _check_predict_from(
        arguments["predict_from"], arguments["head"], arguments["head_weight"]
    )
    if arguments["regularizer"] is None and arguments["regularizer_weight"] > 0:
        raise ValueError(
            "`regularizer_weight` has no effect without `regularizer`. Received: "
            f"regularizer_weight={arguments['regularizer_weight']}, regularizer=None. "
            "Pass regularizer='weights' or 'features'."
        )


def _check_predict_from(predict_from, head, head_weight) -> None:
    fix = "'linear', the default, is the classifier's own last layer."
    check_choice("predict_from", predict_from, ("linear", "head", "softtriple"), fix)
    if predict_from == "linear":
        return
    wanted = SoftTripleHead if predict_from == "softtriple" else SimilarityHead
    if not isinstance(head, wanted):
        raise ValueError(
            f"`predict_from`={predict_from!r} needs a head with one similarity per "
            f"class. Received: head={type(head).__name__}. Pass "
            "head=SoftTripleHead(...), or predict_from='linear'."
        )
    if head_weight == 0:
        raise ValueError(
            f"`predict_from`={predict_from!r} needs a head that is trained. Received: "
            "head_weight=0. Pass head_weight=0.5, or predict_from='linear'."
        )


def check_built_head(head, size: int, example_shape: tuple) -> None:
    """Raises if a head that has weights already was made for another model.

    Args:
        head: a built head.
        size: D of the classifier's embedding.
        example_shape: of one input.
    """
    config = head.get_build_config() or {}
    known = [
        (config.get("input_shape", (None,))[-1], size, "embeddings of size"),
        (config.get("example_shape"), tuple(example_shape), "inputs of shape"),
    ]
    for had, has, what in known:
        had = tuple(had) if isinstance(had, (list, tuple)) else had
        if had is not None and had != has:
            raise ValueError(
                f"`head` must be made for {what} {has}, those of the classifier. "
                f"Received: {head.name!r}, whose weights are for {what} {had}. Pass "
                f"a new {type(head).__name__}."
            )


def shapes(classifier) -> tuple[tuple, tuple]:
    """Shapes of the input (None, ...) and of the output (None, C).

    Raises:
        ValueError: several inputs or outputs.
    """
    if isinstance(classifier, keras.Function | keras.Sequential):
        counts = len(classifier.inputs), len(classifier.outputs)
        if counts != (1, 1):
            raise ValueError(
                "`classifier` must have one input and one output. Received: "
                f"{counts[0]} inputs and {counts[1]} outputs, "
                f"name={classifier.name!r}. Pass keras.Model(image, logits)."
            )
        return tuple(classifier.input_shape), tuple(classifier.output_shape)
    return subclassed.shapes(classifier)


def check_outputs(classifier, head) -> int:
    """The number of classes; raises if the outputs or the head do not fit it."""
    _, shape = shapes(classifier)
    if len(shape) != 2 or shape[-1] is None or shape[-1] < 2:
        raise ValueError(
            "`classifier` must have one output of C >= 2 logits, shape (B, C). "
            f"Received: output_shape={shape}. For two classes use Dense(2)."
        )
    if head is not None and head.num_classes not in (None, shape[-1]):
        raise ValueError(
            f"`head` must have the classifier's {shape[-1]} classes. Received: "
            f"num_classes={head.num_classes}. Pass {type(head).__name__}({shape[-1]})."
        )
    return int(shape[-1])


def check_loss(loss) -> None:
    """Raises if a loss would treat the logits as probabilities."""
    for part in keras.tree.flatten(loss):
        fix = "Pass loss=None for cross-entropy."
        known = known_to_keras("loss", keras.losses, part, fix)
        name = part if isinstance(part, str) else getattr(part, "__name__", "")
        config = part.get_config() if isinstance(part, keras.losses.Loss) else {}
        told = f"loss={part!r}"
        if isinstance(part, keras.losses.Loss):  # their repr ends in addresses
            form = [f"{n}={config[n]}" for n in ("from_logits",) if n in config]
            told = f"loss={type(part).__name__}({''.join(form)})"
        elif not isinstance(part, str):
            told = f"loss={name}"
        if _BINARY & {name, type(part).__name__}:
            raise ValueError(
                "`loss` must take C logits of which one is right; a binary loss takes "
                f"each for itself. Received: {told}. Pass loss=None for cross-entropy."
            )
        found = {type(known).__name__, getattr(known, "__name__", "")}
        if (
            name.endswith("crossentropy")
            or config.get("from_logits") is False
            or found & _OF_PROBABILITIES
        ):
            raise ValueError(
                "`loss` must take logits: the classifier ends in logits, and this one "
                "expects probabilities, so it would train silently wrong. Received: "
                f"{told}. Pass loss=None, or "
                "keras.losses.SparseCategoricalCrossentropy(from_logits=True)."
            )


def known_to_keras(name: str, module, value, fix: str):
    """`module.get(value)`, of keras.losses or keras.optimizers.

    Raises:
        ValueError: Keras does not know it.
    """
    try:
        return module.get(value)
    except ValueError:
        raise ValueError(
            f"`{name}` must be known to Keras. Received: {name}={value!r}. {fix}"
        ) from None


def check_scope(model) -> None:
    """Raises if a distribution strategy does not know the weights of a model."""
    wrong = replicas.outside_scope(model)
    if wrong:
        raise ValueError(
            "`model` must be built and compiled in the scope of the strategy that "
            f"trains it, its classifier, too. Received: {len(wrong)} weights from "
            f"outside, such as {wrong[0]}. Build the classifier and the "
            "AdversarialModel inside `with strategy.scope():`."
        )
