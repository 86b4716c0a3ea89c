"""More prototypes than examples: some would stand for nothing."""

import warnings

import numpy as np
from keras import ops

from keras_mpat.layers.soft_triple_head import SoftTripleHead
from keras_mpat.models.data_checks import label_array


def warn_of_few_examples(head, y) -> None:
    """Warns if a class of the labels y has fewer examples than active prototypes.

    Args:
        head: that of the model, of any kind, or None.
        y: all labels (N,), (N, 1) or one-hot (N, C), checked; None for a stream, of
            which nobody knows the number of examples.
    """
    if y is None or not isinstance(head, SoftTripleHead):
        return
    labels = label_array(y, head.num_classes)
    examples = np.bincount(labels, minlength=head.num_classes)
    active = ops.convert_to_numpy(ops.sum(head.active, axis=-1))
    few = np.flatnonzero(active > examples)
    if len(few):
        label = few[0]
        warnings.warn(
            f"The head has more prototypes than examples in {len(few)} of "
            f"{head.num_classes} classes: class {label} has {int(active[label])} "
            f"prototypes and {examples[label]} examples. Pass a smaller "
            "`prototypes_per_class`, far below the number of examples.",
            stacklevel=3,
        )
