"""`attacked`: the adversarial example of every input, fooled or not.

`evaluate_robustness` stops at an example once it is fooled, and keeps verdicts. Where
it matters what the examples look like, to a detector or in latent space, all are run.
"""

import numpy as np
from keras import ops

from keras_mpat import backend, noise
from keras_mpat.attacks import Attack
from keras_mpat.configurable import check_count
from keras_mpat.evaluation.embeddings import as_array
from keras_mpat.evaluation.loading import load_classifier
from keras_mpat.evaluation.verdicts import check_example
from keras_mpat.input_checks import check_inputs, check_labels
from keras_mpat.models.checks import shapes


def attacked(
    model_or_path, x, y, attack, *, batch_size: int = 128, seed: int = 0
) -> np.ndarray:
    """Runs one attack on every example.

    Noise is keyed by (seed, example), so that the batch size changes nothing.

    Args:
        model_or_path: as in `evaluate_robustness`.
        x: clean inputs (N, ...), in the bounds of the attack's threat model.
        y: their classes, (N,), (N, 1) or one-hot.
        attack: any attack.
        batch_size: examples per batch, >= 1.
        seed: of the attack's noise, >= 0.

    Returns:
        float32 (N, ...), each in the ball and the box.

    Raises:
        ValueError: inputs or labels that do not fit, a count out of range, several
            attacks, or one that leaves the ball.
    """
    check_count("batch_size", batch_size, "128 suits most.")
    check_count("seed", seed, "Pass seed=0.", minimum=0)
    check_attack(attack)
    classifier = load_classifier(model_or_path)
    shape, output = shapes(classifier)
    attack.check(shape[1:], output[-1])
    x, y = as_array(x), as_array(y)
    check_inputs(x, attack.threat_model, shape[1:])
    check_labels(y, output[-1], len(x))

    def run(x, y, keys):
        found = attack(lambda z: classifier(z, training=False), x, y, keys)
        return found, attack.threat_model.project(found, x)

    compiled, rows = backend.function(run), []
    size = min(batch_size, len(x))
    for first in range(0, len(x), size):
        places = first + np.arange(size)
        filled = np.minimum(places, len(x) - 1)  # the last one again: one trace
        keys = noise.of_indices(seed, filled)
        batch = ops.convert_to_tensor(x[filled], "float32")
        found, inside = compiled(batch, ops.convert_to_tensor(y[filled]), keys)
        check_example(found, inside, attack)
        rows.append(ops.convert_to_numpy(inside)[: len(x) - first])
    return np.concatenate(rows)


def check_attack(attack) -> None:
    """Raises unless it is one attack."""
    if not isinstance(attack, Attack):
        raise ValueError(
            f"`attack` must be one attack. Received: {attack!r}. Pass "
            "attacks.PGD(keras_mpat.Linf(0.3))."
        )
