"""Kullback-Leibler divergence between what two sets of logits say.

Shapes: B examples, C classes. Everything is computed in float32.

References:
    Zhang et al., "Theoretically Principled Trade-off between Robustness and Accuracy"
    (TRADES), arXiv:1901.08573, equation 5 and section 4.2.
"""

from keras import ops

from keras_mpat.objectives import own_and_others


def kl_divergence(first, second):
    """KL(softmax(first) || softmax(second)), per example.

    Gradients pass to both; apply `stop_gradient` to hold one still. Logits are taken
    relative to the class t that `first` says: with d_c = z_c - z_t and
    L(d) = log(1 + sum_{c != t} exp(d_c)) it is

        L(d2) - L(d1) - sum_{c != t} softmax(first)_c (d2_c - d1_c),

    so that its gradient survives in float32 where the net is so sure that softmax
    rounds to 1.

    Args:
        first, second: (B, C).

    Returns:
        (B,), 0 where the probabilities are equal, up to rounding.
    """
    first, second = ops.cast(first, "float32"), ops.cast(second, "float32")
    top = ops.argmax(first, axis=-1)
    leads = []
    for logits in (first, second):
        own, others = own_and_others(top, logits)
        leads.append(others - own[:, None])  # the own class: never
    normalizers = [ops.softplus(ops.logsumexp(lead, axis=-1)) for lead in leads]
    shares = ops.exp(leads[0] - normalizers[0][:, None])
    drift = ops.sum(shares * (leads[1] - leads[0]), axis=-1)
    return normalizers[1] - normalizers[0] - drift
