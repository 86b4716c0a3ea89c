"""What an audit is handed: questions asked before anything is computed."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from keras_mpat.choices import check_choice
from keras_mpat.configurable import check_count, check_switch
from keras_mpat.evaluation.loading import load_classifier, training_model
from keras_mpat.evaluation.result import RobustnessResult
from keras_mpat.evaluation.state import digest
from keras_mpat.input_checks import check_inputs, check_labels
from keras_mpat.models.checks import shapes

SELECTED_ON = ("last epoch", "validation", "test")


def checked(given: dict[str, Any], classifier, data, threat_model) -> dict[str, Any]:
    """`given` with models instead of paths.

    Args:
        given: twins, runs, collapse_model, modes, record, train and head_model of
            `audit`.
        classifier: what is audited.
        data: its (x, y).
        threat_model: what the adversary may do.

    Raises:
        ValueError: one of them does not fit.
    """
    given = dict(given)
    if given["twins"] is not None:
        given["twins"] = _twins(given["twins"], classifier)
    if given["collapse_model"] is not None:
        given["collapse_model"] = _fitting(
            "collapse_model", given["collapse_model"], classifier
        )
    _check_runs(given["runs"])
    _check_modes(given["modes"], len(data[1]))
    _check_record(given["record"])
    if given["train"] is not None:
        _check_train(given["train"], classifier, threat_model)
    if given["head_model"] is not None:
        given["head_model"] = _head_model(given["head_model"], classifier)
    return given


def check_options(examples, batch_size, seed, certify, verbose) -> None:
    """Raises unless the counts and switches of `audit` are some."""
    check_count("examples", examples, "500 suits most.")
    check_count("batch_size", batch_size, "128 suits most.")
    check_count("seed", seed, "Pass seed=0.", minimum=0)
    check_switch("certify", certify)
    check_switch("verbose", verbose)


def _twins(twins, classifier) -> dict[str, Any]:
    if not isinstance(twins, Mapping):
        raise ValueError(
            "`twins` must be a dict from names to models or paths. Received: twins of "
            f"type {type(twins).__name__}. Pass twins={{'standard': plain_model}}."
        )
    found = {name: _fitting("twins", twin, classifier) for name, twin in twins.items()}
    own = digest(classifier.get_weights())
    for name, twin in found.items():
        _, output = shapes(twin)
        if output[-1] != shapes(classifier)[1][-1]:
            raise ValueError(
                "`twins` must tell the same classes. Received: twins with "
                f"{name!r} of {output[-1]} classes. Train it on the same "
                "labels."
            )
        if digest(twin.get_weights()) == own:
            raise ValueError(
                "`twins` must be other models. Received: twins with "
                f"{name!r}, which has the weights of the audited one. Train it apart."
            )
    return found


def _head_model(model_or_path, classifier):
    """The training model, which has the weights of the classifier."""
    model = training_model(model_or_path, name="head_model")
    if model is None:
        raise ValueError(
            "`head_model` must be an AdversarialModel or the path of one: a plain "
            f"classifier has no head. Received: head_model={model_or_path!r}. Pass "
            "what fit trained, or leave it out."
        )
    if digest(model.predictor.get_weights()) != digest(classifier.get_weights()):
        raise ValueError(
            "`head_model` must be what the audited classifier was taken from. "
            f"Received: head_model={model_or_path!r}, whose classifier has other "
            "weights. Pass the model that training ended with."
        )
    return model


def _fitting(name: str, model_or_path, classifier):
    """The classifier behind a model or path, which takes the same inputs."""
    model = load_classifier(model_or_path, name=name)
    own, found = (shapes(each)[0][1:] for each in (classifier, model))
    if found != own:
        raise ValueError(
            f"`{name}` must take inputs of shape {own}. "
            f"Received: {name} with a model for {found}. Pass one that "
            "was trained on the same data."
        )
    return model


def _check_runs(runs) -> None:
    if runs is None:
        return
    fits = isinstance(runs, (list, tuple)) and all(
        isinstance(run, RobustnessResult) for run in runs
    )
    if not fits:
        raise ValueError(
            "`runs` must be a list of RobustnessResult, one per seed. Received: runs "
            f"of type {type(runs).__name__}. Pass [RobustnessResult.load(path), ...]."
        )


def _check_modes(modes, n: int) -> None:
    if modes is None:
        return
    array = np.asarray(modes)
    if array.shape != (n,) or array.dtype.kind not in "iu" or array.min() < 0:
        raise ValueError(
            f"`modes` must be fine labels ({n},), integers >= 0. Received: modes of "
            f"shape {array.shape} and dtype {array.dtype}. Pass what datasets.arrays "
            "returns third."
        )


def _check_record(record) -> None:
    if record is None:
        return
    if not isinstance(record, Mapping):
        raise ValueError(
            "`record` must be a dict. Received: record of type "
            f"{type(record).__name__}. Pass record={{'selected_on': 'last epoch'}}."
        )
    if "selected_on" in record:
        check_choice("selected_on", record["selected_on"], SELECTED_ON)


def _check_train(train, classifier, threat_model) -> None:
    if not isinstance(train, (tuple, list)) or len(train) != 2:
        raise ValueError(
            "`train` must be (x, y): training images and their labels. Received: train "
            f"of type {type(train).__name__}. Pass (x_train, y_train)."
        )
    x, y = map(np.asarray, train)
    shape, output = shapes(classifier)
    check_inputs(x, threat_model, shape[1:])
    check_labels(y, output[-1], len(x))
