"""The door to the framework: everything else is `keras.ops`, or `replicas.py`.

input_gradient   gradient of an objective with respect to its input
loop             a loop inside the graph (unrolled where XLA would be slow)
function         compile a Python function, optionally with XLA
full_precision   float32 products without TensorFloat-32
draw_seed        an int, a SeedGenerator or a key -> a key
device_name      the hardware, in words
value            a variable's value as an array, under replicas, too
is_eager         whether a tensor has values now
summaries        where TensorBoard reads
"""

import contextlib
import contextvars
import functools
import os
import platform
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

NAME = keras.backend.backend()
if NAME == "tensorflow":
    import tensorflow as tf
elif NAME == "jax":
    import jax
elif NAME == "torch":
    import torch
else:
    raise ImportError(
        f"keras_mpat runs on the Keras backends tensorflow, jax and torch. Received: "
        f"KERAS_BACKEND={NAME}. Set KERAS_BACKEND=tensorflow before importing keras."
    )

# Input gradients of a confident net underflow in float16. A power of two is exact in
# float32 and bfloat16, so it is always applied (architecture: 52 % -> 90 % of signs).
_GRADIENT_SCALE = 1024.0
# XLA on a CPU runs a convolution inside a loop 5-12 times slower than outside.
_UNROLL_LIMIT = 16
_EAGER_LIMIT = 64
_xla = contextvars.ContextVar("keras_mpat_xla", default=False)


def input_gradient(objective: Callable, x) -> tuple[Any, Any, Any]:
    """Gradient of sum(values) with respect to x.

    Args:
        objective: maps x (B, ...) to (values (B,), auxiliary tensor).
        x: float32 tensor (B, ...).

    Returns:
        (gradient like x, values, auxiliary).
    """

    def scaled(z):
        values, auxiliary = objective(z)
        return ops.sum(values) * _GRADIENT_SCALE, (values, auxiliary)

    if NAME == "tensorflow":
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(x)
            total, (values, auxiliary) = scaled(x)
        gradient = tape.gradient(
            total, x, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
    elif NAME == "jax":
        gradient, (values, auxiliary) = jax.grad(scaled, has_aux=True)(x)
    else:
        with torch.enable_grad():
            z = x.detach().requires_grad_(True)
            total, (values, auxiliary) = scaled(z)
            gradient = torch.autograd.grad(total, z)[0].detach()
    return gradient / _GRADIENT_SCALE, values, auxiliary


def loop(
    count: int, body: Callable, state: tuple, done=None, *, differentiable=False
) -> tuple:
    """Runs `state = body(i, state)` for i = 0 … count - 1; `state` is a tuple.

    Where `done(state)` holds, `body` must change nothing any more: the loop may end
    there, except on JAX if it is to be `differentiable`.
    """
    if count == 1 or NAME == "torch" or _plain_loop(count, state):
        for i in range(count):
            if done is not None and all(map(_has_values, state)) and done(state):
                break
            state = body(i, state)
        return state

    def goes_on(i, state):
        return i < count if done is None else ops.logical_and(i < count, ~done(state))

    if NAME == "jax":
        if done is None or differentiable:
            return jax.lax.fori_loop(0, count, body, state)
        return jax.lax.while_loop(
            lambda carried: goes_on(*carried),
            lambda carried: (carried[0] + 1, body(*carried)),
            (0, state),
        )[1]
    _, state = tf.while_loop(
        goes_on,
        lambda i, state: (i + 1, body(i, state)),
        (tf.constant(0), state),
        maximum_iterations=count,
        parallel_iterations=1,
    )
    return state


def _plain_loop(count: int, state: tuple) -> bool:
    """Whether a Python loop is best: short where XLA compiles for a CPU, or eager."""
    if NAME == "jax":
        slow = jax.default_backend() == "cpu" and count <= _UNROLL_LIMIT
        # Eagerly, JAX would compile the loop anew in each call.
        return slow or (count <= _EAGER_LIMIT and all(map(_has_values, state)))
    return _xla.get() and not has_accelerator() and count <= _UNROLL_LIMIT


def _has_values(part) -> bool:
    if NAME == "jax":
        leaves = jax.tree_util.tree_leaves(part)
        return not any(isinstance(leaf, jax.core.Tracer) for leaf in leaves)
    return NAME == "torch"


@contextlib.contextmanager
def xla(enabled: bool):
    """Tells `loop` that the code traced inside is compiled by XLA."""
    token = _xla.set(bool(enabled))
    try:
        yield
    finally:
        _xla.reset(token)


def function(python_function: Callable, *, jit_compile: bool = False) -> Callable:
    """Compiles: a `tf.function` (with XLA if asked), `jax.jit`, or nothing on torch."""
    if NAME == "jax":
        return jax.jit(python_function)
    if NAME == "torch":
        return python_function

    # TensorFlow counts traces per code object: closures of one function share theirs,
    # and it warns of needless retracing; partials have none.
    traced = functools.partial(_traced, python_function, jit_compile)
    return tf.function(traced, jit_compile=jit_compile)


def _traced(python_function, jit_compile, *arguments):
    with xla(jit_compile):
        return python_function(*arguments)


@contextlib.contextmanager
def full_precision():
    """Within it, accelerators multiply float32 in float32, not in TensorFloat-32."""
    if NAME == "jax":
        with jax.default_matmul_precision("highest"):
            yield
    elif NAME == "tensorflow":
        settings = tf.config.experimental
        before = settings.tensor_float_32_execution_enabled()
        settings.enable_tensor_float_32_execution(False)
        try:
            yield
        finally:
            settings.enable_tensor_float_32_execution(before)
    else:  # its matrix products are float32 unless told otherwise
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            yield


def has_accelerator() -> bool:
    """Whether the framework sees a GPU or TPU."""
    if NAME == "tensorflow":
        kinds = {device.device_type for device in tf.config.list_physical_devices()}
        return bool(kinds & {"GPU", "TPU"})
    if NAME == "jax":
        return jax.default_backend() != "cpu"
    return torch.cuda.is_available()


def process() -> int:
    """Which of the JAX processes that train together this is; 0 elsewhere."""
    return jax.process_index() if NAME == "jax" else 0


def processes() -> int:
    """How many JAX processes train together; 1 elsewhere."""
    return jax.process_count() if NAME == "jax" else 1


def device_name() -> str:
    """The first device in words, e.g. "NVIDIA H200", for the records of a run."""
    if NAME == "tensorflow":
        for device in tf.config.list_physical_devices("GPU"):
            details = tf.config.experimental.get_device_details(device)
            return details.get("device_name", device.name)
    if NAME == "jax" and has_accelerator():
        return jax.devices()[0].device_kind
    if NAME == "torch" and has_accelerator():
        return torch.cuda.get_device_name()
    return f"CPU {platform.processor() or platform.machine()}, {os.cpu_count()} cores"


def draw_seed(seed):
    """A key (2,) or keys (B, 2), uint32, from an int, a SeedGenerator or keys."""
    if isinstance(seed, keras.random.SeedGenerator):
        return ops.cast(seed.next(), "uint32")
    if isinstance(seed, (int, np.integer)) and not isinstance(seed, bool):
        if seed < 0:
            raise ValueError(
                f"`seed` must be an integer >= 0. Received: seed={seed}. Pass seed=0."
            )
        halves = np.array([seed & 0xFFFFFFFF, seed >> 32 & 0xFFFFFFFF], "uint32")
        return ops.convert_to_tensor(halves)
    if ops.is_tensor(seed):
        return ops.cast(seed, "uint32")
    raise ValueError(
        "`seed` must be an int, a keras.random.SeedGenerator or a tensor of keys. "
        f"Received: seed={seed!r}. Pass seed=0."
    )


def value(variable) -> np.ndarray:
    """A copy of a variable's value; of replicas, the first one's, or their sum."""
    if NAME == "tensorflow":  # NumPy cannot read a mirrored scalar
        return np.array(variable.value.numpy())
    return np.array(ops.convert_to_numpy(variable.value))


def is_eager(tensor) -> bool:
    """Whether a tensor has values now, outside any graph that is being traced."""
    if NAME == "tensorflow":
        return tf.executing_eagerly()
    return NAME == "torch" or not isinstance(tensor, jax.core.Tracer)


def summaries(folder: str):
    """(`tf.summary`, a writer of TensorBoard events into a folder), on all backends."""
    import tensorflow

    return tensorflow.summary, tensorflow.summary.create_file_writer(folder)
