"""What the classifier is: logits, a function of each input alone, without chance."""

import hashlib

import numpy as np
from keras import ops

from keras_mpat import backend
from keras_mpat.evaluation import dynamic
from keras_mpat.evaluation.checks import graph_operations
from keras_mpat.evaluation.checks.check import ERROR, Check, Finding, NotRun
from keras_mpat.input_checks import are_probabilities

_EXAMPLES = 256
_TOLERANCE = 1e-4  # of the largest logit


def logits(subject) -> Finding:
    """C01."""
    rows = subject.predict(subject.x[:_EXAMPLES])
    low, high = rows.min(), rows.max()
    text = f"outputs from {low:.3g} to {high:.3g}, rows sum to {rows[0].sum():.3g}, …"
    return Finding(not are_probabilities(rows), text)


def deterministic(subject) -> Finding:
    """C02."""
    x = subject.x[:_EXAMPLES]
    # Eagerly: JAX compiles the state of random numbers in.
    rows = np.stack([_eager(subject, x) for _ in range(5)])
    unit = rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-12)
    gap = max(
        float(np.linalg.norm(unit[i] - unit[j], axis=-1).max())
        for i in range(5)
        for j in range(i)
    )
    same = bool(np.all(rows.argmax(-1) == rows[0].argmax(-1)))
    exact = backend.has_accelerator() or bool(np.all(rows == rows[0]))
    text = f"largest difference of normalized logits {gap:.2g} over 5 forward passes"
    return Finding(gap <= _TOLERANCE and same and exact, text)


def company(subject) -> Finding:
    """C03."""
    x = subject.x[:_EXAMPLES]
    rows = subject.predict(x)
    order = np.random.default_rng(0).permutation(len(x))
    others = {
        "1": (np.arange(min(16, len(x))), 1),
        "7": (np.arange(len(x)), 7),
        f"{_EXAMPLES}, shuffled": (order, _EXAMPLES),
    }
    scale, gap, same = max(1.0, float(np.abs(rows).max())), 0.0, True
    for taken, size in others.values():
        again = subject.predict(x[taken], batch_size=size)
        gap = max(gap, float(np.abs(again - rows[taken]).max()) / scale)
        same &= bool(np.all(again.argmax(-1) == rows[taken].argmax(-1)))
    text = f"logits differ by {gap:.2g} of the largest between batches of other sizes"
    return Finding(gap <= _TOLERANCE and same, text)


def static(subject) -> Finding:
    """C04."""
    if dynamic.is_dynamic(subject.classifier):
        kind = type(subject.classifier).__name__
        return Finding(False, f"{kind} optimizes for each prediction: it is dynamic")
    before = _state(subject.classifier)
    for _ in range(2):  # eagerly, too: what is traced may hide an assignment
        _eager(subject, subject.x[:8])
    if backend.NAME != "jax":  # there, assignments under compilation are errors
        subject.predict(subject.x[:_EXAMPLES])
    if _state(subject.classifier) != before:
        return Finding(False, "inference changes variables of the model")
    found = graph_operations.of(subject.logits_fn, subject.x[:2])
    if found is None:
        raise NotRun("needs TensorFlow or JAX, whose graph can be read")
    if found:
        return Finding(False, f"the forward pass holds {', '.join(sorted(found))}")
    if backend.NAME == "jax":
        raise NotRun("needs TensorFlow, whose graph shows gradients inside the model")
    return Finding(True, "no variable changes; no random and no gradient operation")


def _eager(subject, x) -> np.ndarray:
    x = ops.convert_to_tensor(x)
    return np.array(ops.convert_to_numpy(subject.logits_fn(x)))


def _state(classifier) -> str:
    total = hashlib.sha256()
    for variable in classifier.variables:
        total.update(np.ascontiguousarray(ops.convert_to_numpy(variable)).tobytes())
    return total.hexdigest()


CHECKS = (
    Check(
        "C01",
        "outputs are logits, not probabilities",
        ERROR,
        "rows are not all in [0, 1] with sum 1",
        "Pass models.as_logits(classifier): a saturated softmax has zero gradients.",
        logits,
    ),
    Check(
        "C02",
        "the same input gives the same output",
        ERROR,
        "5 passes within 1e-4 and the same classes; bit-equal on a CPU",
        "Evaluate a random classifier with AutoAttack(version='rand'), not with this.",
        deterministic,
    ),
    Check(
        "C03",
        "an output does not depend on the batch",
        ERROR,
        "batches of 1, 7 and 256, shuffled: same classes, logits within 1e-4",
        "Call BatchNormalization with training=False, and no layer across examples.",
        company,
    ),
    Check(
        "C04",
        "inference is static",
        ERROR,
        "no variable changes; no random or gradient operation in the forward pass",
        "Optimization or randomness at inference needs an attack through it; say so.",
        static,
    ),
)
