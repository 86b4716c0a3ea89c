"""`certified`: examples that no attack in the threat model can fool, by proof.

    proven = certified("robust.keras", (x, y), Linf(0.01))     # bool (N,)
    share = proven.mean()                # robust accuracy cannot be lower than this

Bounds of all layers' outputs over the whole ball show that the true class wins
everywhere in it. What is not certified may be robust all the same.
"""

import math
import os

import numpy as np
from keras import ops

from keras_mpat import backend
from keras_mpat.choices import check_choice
from keras_mpat.configurable import check_count
from keras_mpat.evaluation.buckets import buckets
from keras_mpat.evaluation.certification.network import Network
from keras_mpat.evaluation.certification.rounding import TINY, Box, relative
from keras_mpat.evaluation.loading import load_classifier
from keras_mpat.evaluation.result import RobustnessResult
from keras_mpat.input_checks import check_inputs, check_scale
from keras_mpat.models.checks import shapes
from keras_mpat.objectives import CrossEntropy
from keras_mpat.threat_models import ThreatModel, check_threat_model

METHODS = ("crown", "ibp")
_AT_ONCE = 2**24  # numbers in the widest array of a backward pass: 64 MiB


def certified(
    model_or_path,
    data,
    threat_model: ThreatModel,
    *,
    method: str = "crown",
    batch_size: int = 128,
    limit: int | None = None,
) -> np.ndarray:
    """Which examples are proven to be classified right in the whole threat model.

    "ibp" carries an interval per number through the layers: one forward pass, tight for
    nets that were trained for it, and close to nothing for others. "crown" adds linear
    bounds that go backward from the logits, and from hidden layers of at most 256
    units, to the input: never worse, and the cost of that many backward passes. Both
    bound differences of logits, so that linear models are exact. Of an `L2` ball the
    smallest box around it is taken.

    The proof holds for the classifier as it is computed in float32, in any order of the
    additions; not for TensorFloat-32, half precision, or convolutions by transforms.

    Args:
        model_or_path: a functional or Sequential Keras classifier with logits, made of
            layers that have bounds (else a `ValueError` names the layer, and
            `can_certify` is False); an `AdversarialModel`, or the path of a `.keras`
            file.
        data: (x, y) arrays or a `tf.data.Dataset` of batches (x, y), in a fixed order.
        threat_model: `Linf`, `L2`, or your own if it moves no feature by more than its
            epsilon; mask and bounds count.
        method: "crown" or "ibp".
        batch_size: examples per batch, >= 1; fewer where the memory asks for it.
        limit: look at the first `limit` examples only; `None`: all.

    Returns:
        bool (N,). False says nothing: wrong without an attack, vulnerable, or robust
        without a proof.

    Raises:
        ValueError: a layer without bounds, a model that ends in softmax, an unknown
            method, a count below 1, or data that do not fit.

    References:
        Gowal et al., arXiv:1810.12715; Zhang et al., arXiv:1811.00866.
    """
    check_count("batch_size", batch_size, "128 suits most.")
    if limit is not None:
        check_count("limit", limit, "None looks at all examples.")
    classifier = load_classifier(model_or_path)
    certifier = Certifier(classifier, threat_model, method, batch_size)
    shape, output = shapes(classifier)
    found = []
    for x, y, valid in buckets(data, batch_size, limit, output[-1]):
        check_inputs(x, threat_model, shape[1:])
        if not found:
            check_scale(x, threat_model)
        found.append(certifier(x.astype("float32")[:valid], y[:valid]))
    return np.concatenate(found)


def can_certify(model_or_path: object | str | os.PathLike) -> bool:
    """Whether all layers of a classifier have bounds, so that `certified` takes it.

    Args:
        model_or_path: as in `certified`.

    Raises:
        ValueError: it is no classifier with logits.
    """
    classifier = load_classifier(model_or_path)
    try:
        Network(classifier)
    except ValueError:
        return False
    return True


def contradictions(proven, result: RobustnessResult) -> list[str]:
    """Sentences that name examples which are certified and were fooled all the same.

    There must be none: else the bounds or an attack have a bug (or the proof was for a
    smaller ball). Certify and attack separately to ask: with `certify=True` certified
    examples are not attacked.

    Args:
        proven: bool (N,), from `certified`, for a ball at least as large as that of
            the attacks.
        result: of the same examples.

    Raises:
        ValueError: the numbers of examples differ.
    """
    proven = np.asarray(proven, "bool")
    if proven.shape != result.robust.shape:
        raise ValueError(
            "`proven` must hold a verdict for each example of the result. Received: "
            f"shape {proven.shape} and a result of {result.n} examples. Certify the "
            "same data with the same limit."
        )
    found = []
    for example in np.flatnonzero(proven & ~result.robust):
        names = [stage.name for stage in result.stages if not stage.correct[example]]
        how = "fooled by " + ", ".join(names) if result.clean[example] else "wrong"
        found.append(f"Example {example} is certified, and {how}.")
    return found


class Certifier:
    """The compiled bounds of one classifier in one threat model.

    Args:
        classifier: a Keras classifier with logits.
        threat_model: `Linf` or `L2`.
        method: "crown" or "ibp".
        batch_size: most examples per compiled batch.

    Call arguments:
        x: NumPy float32 (N, ...).
        y: NumPy int32 (N,).

    Returns:
        bool (N,).
    """

    def __init__(self, classifier, threat_model, method: str, batch_size: int):
        check_threat_model(threat_model)
        check_choice("method", method, METHODS)
        self._classifier, self._network = classifier, Network(classifier)
        self.threat_model, self._method = threat_model, method
        self._size = batch_size
        self._checked = False
        self._prove = backend.function(self._proof)

    def __call__(self, x, y) -> np.ndarray:
        if not len(x):
            return np.zeros(0, "bool")
        if not self._checked:
            self._fit_memory(x[:1])
        found = np.zeros(len(x), "bool")
        for start in range(0, len(x), self._size):
            rows = np.arange(start, start + self._size)
            filled = np.minimum(rows, len(x) - 1)  # the last batch repeats its last one
            with backend.full_precision():
                flags = self._prove(*map(ops.convert_to_tensor, (x[filled], y[filled])))
            found[rows[rows < len(x)]] = ops.convert_to_numpy(flags)[rows < len(x)]
        return found

    def _fit_memory(self, x) -> None:
        """Takes smaller batches where backward passes are wide."""
        self._checked = True
        if self._method == "crown":
            box = input_box(self.threat_model, ops.convert_to_tensor(x))
            work = self._network.work(self._network.boxes(box))
            self._size = min(self._size, max(1, _AT_ONCE // work))

    def _proof(self, x, y):
        network, crown = self._network, self._method == "crown"
        logits = ops.cast(self._classifier(x, training=False), "float32")
        right = ~CrossEntropy().fooled(y, logits)
        if _is_point(self.threat_model):  # the classifier itself, without slack
            return right
        boxes = network.boxes(input_box(self.threat_model, x), refined=crown)
        margins = network.margins(boxes, y)
        if crown:
            margins = ops.maximum(margins, network.margins(boxes, y, relaxed=True))
        return right & network.finite(boxes) & (ops.min(margins, axis=-1) > 0)


def _is_point(threat_model: ThreatModel) -> bool:
    """Whether its balls hold nothing but their center."""
    mutable = True if threat_model.mutable is None else threat_model.mutable
    return not np.any(np.asarray(threat_model.radius) * np.asarray(mutable))


def input_box(threat_model: ThreatModel, x) -> Box:
    """The smallest box around what an attack may return, and a little more.

    No feature leaves its epsilon, the bounds or the mask, in either norm.

    Args:
        x: (B, ...) float32.
    """
    # The norm of an attack's change in the L2 ball is a rounded sum over the features.
    radius = threat_model.radius * (1 + relative(math.prod(x.shape[1:]) + 16))
    change = radius + relative(4) * ops.abs(x) + TINY
    low, high = threat_model.box(x - change), threat_model.box(x + change)
    if threat_model.mutable is not None:
        mutable = np.asarray(threat_model.mutable, "bool")
        low, high = ops.where(mutable, low, x), ops.where(mutable, high, x)
    return Box(low, high)
