"""Counter-based random numbers: one key per example, the same on every backend.

`keras.random` refuses seeds that are only known inside a graph, framework generators
give other numbers under XLA than in a graph, and a generator that is drawn per batch
makes a result depend on how the data was batched. Here a number is a hash of
(key of the example, position), so it is bit-equal in eager mode, in a graph, under XLA,
on TensorFlow and on JAX, and whatever the batch size.

    keys = noise.keys(seed, size=len(x))          # (B, 2) uint32
    noise.uniform(noise.fold(keys, restart), x.shape[1:])

The mixing function is the two-round multiply-xorshift finalizer with the constants of
C. Wellons' "lowbias32" search (bias 0.17); each number takes two such hashes.
"""

import math

from keras import ops

from keras_mpat import backend, replicas

_GOLDEN = 0x9E3779B9  # 2^32 / golden ratio: spreads consecutive counters
_OFFSET = 0x6A09E667  # fraction of sqrt(2): the mixing function maps 0 to 0


def keys(seed, size):
    """One key per example.

    Args:
        seed: an int, a `keras.random.SeedGenerator` (advanced by one), a key (2,), or
            keys (B, 2), which are returned as they are.
        size: B, the number of examples; may be a tensor.

    Returns:
        uint32 tensor (B, 2). Under a distribution strategy an example has the key of
        its place in the batch of all replicas, which are equally large except, maybe,
        in the last batch.
    """
    base = backend.draw_seed(seed)
    if len(base.shape) == 2:
        return base
    return fold(fold(base[None], 0), places(size))


def places(size):
    """Places (B,) of a replica's examples in the batch of all replicas, int32."""
    return replicas.index() * size + ops.arange(size, dtype="int32")


def of_indices(seed: int, indices):
    """Keys (B, 2) of the examples with these indices in the data set."""
    return fold(backend.draw_seed(seed)[None], ops.convert_to_tensor(indices, "int32"))


def fold(keys, number):
    """New keys from keys (B, 2) and a number: an int, a tensor, or one per example."""
    number = ops.reshape(ops.cast(number, "uint32"), (-1, 1))
    first, second = keys[:, :1], keys[:, 1:]
    first = _mix(
        first + _mix(number * _constant(_GOLDEN) + second + _constant(_OFFSET))
    )
    second = _mix(ops.bitwise_xor(second, first + number))
    return ops.concatenate([first, second], axis=-1)


def uniform(keys, shape, low=0.0, high=1.0):
    """Numbers (B, *shape) uniform in [low, high), float32, 24 random bits each."""
    unit = ops.cast(ops.right_shift(_bits(keys, shape), _constant(8)), "float32")
    return low + (high - low) * (unit * 2.0**-24)


def normal(keys, shape):
    """Standard normal numbers (B, *shape), float32 (Box and Muller 1958)."""
    radius = 1.0 - uniform(fold(keys, 1), shape)  # in (0, 1]: the logarithm is finite
    angle = uniform(fold(keys, 2), shape, high=2 * math.pi)
    return ops.sqrt(-2.0 * ops.log(radius)) * ops.cos(angle)


def integers(keys, high: int):
    """One integer per example, int32 (B,), uniform in 0 … high - 1."""
    numbers = ops.floor(ops.reshape(uniform(keys, ()), (-1,)) * high)
    return ops.minimum(ops.cast(numbers, "int32"), high - 1)


def choice(keys, allowed):
    """One of the columns that a row allows, each as likely as the others.

    Args:
        keys: (B, 2).
        allowed: (B, P) bool.

    Returns:
        (indices, exists): int32 (B,), and whether the row allows any, bool (B,). Where
        it allows none, the index is 0 and means nothing.
    """
    rank = ops.cumsum(ops.cast(allowed, "int32"), axis=-1)
    count = rank[:, -1]
    share = ops.reshape(uniform(keys, ()), (-1,))
    wanted = ops.cast(ops.floor(share * ops.cast(count, "float32")), "int32")
    wanted = ops.minimum(wanted, count - 1) + 1
    before = ops.cast(rank < wanted[:, None], "int32")
    exists = count > 0
    return ops.where(exists, ops.sum(before, axis=-1), 0), exists


def _bits(keys, shape):
    count = ops.cast(ops.arange(math.prod(shape), dtype="int32"), "uint32")
    counter = ops.expand_dims(count, 0) * _constant(_GOLDEN)
    bits = _mix(ops.bitwise_xor(_mix(counter + keys[:, :1]), keys[:, 1:]))
    return ops.reshape(bits, (-1, *shape))


def _mix(bits):
    bits = ops.bitwise_xor(bits, ops.right_shift(bits, _constant(16)))
    bits = bits * _constant(0x7FEB352D)
    bits = ops.bitwise_xor(bits, ops.right_shift(bits, _constant(15)))
    bits = bits * _constant(0x846CA68B)
    return ops.bitwise_xor(bits, ops.right_shift(bits, _constant(16)))


def _constant(number: int):
    return ops.cast(number, "uint32")
