"""Starts that differ in what the model says of them, not in the pixels alone."""

from keras import ops

from keras_mpat import backend, noise

_STREAM = 11  # its own branch of the keys: the start itself draws from the others


def diversified(logits_fn, threat_model, x, start, keys, steps: int):
    """Output-diversified initialization: leads starts in random logit directions.

    Args:
        logits_fn: x (B, ...) -> logits (B, C).
        threat_model: the ball around x; each step is as long as its radius.
        x: clean inputs (B, ...).
        start: where to begin, (B, ...).
        keys: (B, 2); the direction, uniform in [-1, 1]^C, is drawn per example.
        steps: number of steps, >= 1.

    References:
        Tashiro et al., arXiv:2003.06878, section 3.1.
    """
    num_classes = logits_fn(x).shape[-1]
    weights = noise.uniform(noise.fold(keys, _STREAM), (num_classes,), -1.0, 1.0)

    def output(z):
        logits = ops.cast(logits_fn(z), "float32")
        return ops.sum(weights * logits, axis=-1), logits

    def step(_, state):
        (point,) = state
        gradient, _, _ = backend.input_gradient(output, point)
        moved = point + threat_model.radius * threat_model.steepest(gradient)
        return (threat_model.project(moved, x),)

    return backend.loop(steps, step, (start,))[0]
