"""Random and gradient operations in the graph of a function, on TensorFlow and JAX."""

import re

from keras import ops

from keras_mpat import backend

# TensorFlow names operations; JAX's noise is threefry, or XLA's generator.
_TENSORFLOW = re.compile(r"Random|Rng|Multinomial|Grad$|GradV\d$|Backprop")
_JAX = re.compile(r"threefry|rng_bit_generator|random_bits")


def of(function, x) -> set[str] | None:
    """Names of the random and gradient operations of function(x).

    On JAX, gradients cannot be told from other operations: random ones only. `None` on
    torch, whose models are not traced.
    """
    x = ops.convert_to_tensor(x)
    compiled = backend.function(function)
    if backend.NAME == "tensorflow":
        graph = compiled.get_concrete_function(x).graph.as_graph_def()
        nodes = [node.op for node in graph.node]
        for inner in graph.library.function:
            nodes += [node.op for node in inner.node_def]
        return {name for name in nodes if _TENSORFLOW.search(name)}
    if backend.NAME == "jax":
        return set(_JAX.findall(compiled.lower(x).as_text()))
    return None
