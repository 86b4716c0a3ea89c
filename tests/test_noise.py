"""Counter-based noise: the numbers, their laws, and where they must not differ."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_mpat import backend, noise

STORED_KEYS = [[485653723, 3080634982], [3410353064, 2060799634]]
STORED_UNIFORM = [7934475, 9368888, 10451735]  # in units of 2^-24
STORED_NORMAL = [1.1456114, -0.5101743, -1.8947796]


def _numpy(tensor):
    return ops.convert_to_numpy(tensor)


def _mix(bits):
    """The finalizer of the module docstring on NumPy uint32 arrays."""
    bits = bits ^ (bits >> np.uint32(16))
    bits = bits * np.uint32(0x7FEB352D)
    bits = bits ^ (bits >> np.uint32(15))
    bits = bits * np.uint32(0x846CA68B)
    return bits ^ (bits >> np.uint32(16))


def _oracle_fold(keys, number):
    number = np.asarray(number, "uint32").reshape(-1, 1)
    first, second = keys[:, :1], keys[:, 1:]
    mixed = _mix(number * np.uint32(0x9E3779B9) + second + np.uint32(0x6A09E667))
    first = _mix(first + mixed)
    second = _mix(second ^ (first + number))
    return np.concatenate([first, second], axis=-1)


def _oracle_keys(seed, size):
    base = np.array([[seed & 0xFFFFFFFF, seed >> 32]], "uint32")
    return _oracle_fold(_oracle_fold(base, 0), np.arange(size))


def _oracle_uniform(keys, count):
    counter = np.arange(count, dtype="uint32")[None] * np.uint32(0x9E3779B9)
    bits = _mix(_mix(counter + keys[:, :1]) ^ keys[:, 1:])
    return (bits >> np.uint32(8)).astype("float32") * np.float32(2.0**-24)


@pytest.mark.parametrize("seed", [0, 1, 2**31, 2**40 + 3])
def test_numbers_are_those_of_the_numpy_oracle_on_every_backend(seed):
    keys = noise.keys(seed, 5)
    np.testing.assert_array_equal(_numpy(keys), _oracle_keys(seed, 5))
    numbers = _numpy(noise.uniform(noise.fold(keys, 2), (3, 4)))
    expected = _oracle_uniform(_oracle_fold(_oracle_keys(seed, 5), 2), 12)
    np.testing.assert_array_equal(numbers, expected.reshape(5, 3, 4))


def test_numbers_of_seed_zero_stay_what_they_were():
    # A later change of the hash would silently change published results.
    assert _numpy(noise.keys(0, 2)).tolist() == STORED_KEYS
    numbers = _numpy(noise.uniform(noise.keys(0, 1), (3,)))[0]
    assert (numbers * 2**24).astype(int).tolist() == STORED_UNIFORM
    normal = _numpy(noise.normal(noise.keys(0, 1), (3,)))[0]
    np.testing.assert_allclose(normal, STORED_NORMAL, atol=2e-6)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_graph_and_xla_draw_the_numbers_of_eager_mode(jit_compile):
    def draw(keys):
        keys = noise.fold(keys, 3)
        return (
            noise.uniform(keys, (4, 4), -1.0, 1.0),
            noise.integers(keys, 9),
            noise.normal(keys, (4, 4)),
        )

    keys = noise.keys(11, 6)
    eager = [_numpy(part) for part in draw(keys)]
    compiled = backend.function(draw, jit_compile=jit_compile)(keys)
    compiled = [_numpy(part) for part in compiled]
    np.testing.assert_array_equal(compiled[0], eager[0])
    np.testing.assert_array_equal(compiled[1], eager[1])
    np.testing.assert_allclose(compiled[2], eager[2], atol=2e-6)


def _chi_square(buckets, count):
    observed = np.bincount(buckets.ravel(), minlength=count)
    expected = buckets.size / count
    return float(np.sum((observed - expected) ** 2) / expected)


@pytest.mark.parametrize("bits", ["high", "low"])
@pytest.mark.parametrize("shape", [(64, 1024), (65536, 1)])
def test_uniform_fills_all_buckets_alike(bits, shape):
    examples, count = shape
    numbers = _numpy(noise.uniform(noise.keys(1, examples), (count,)))
    assert numbers.min() >= 0 and numbers.max() < 1
    whole = (numbers * 2**24).astype("int64")
    buckets = whole >> 16 if bits == "high" else whole & 255
    # 255 degrees of freedom: five standard deviations of sqrt(2 * 255) either side.
    assert 142 < _chi_square(buckets, 256) < 368


def test_uniform_respects_low_and_high():
    numbers = _numpy(noise.uniform(noise.keys(2, 8), (1000,), -3.0, 5.0))
    assert numbers.dtype == np.float32
    assert -3 <= numbers.min() < -2.9 and 4.9 < numbers.max() < 5
    assert abs(numbers.mean() - 1.0) < 0.15


@pytest.mark.parametrize("family", ["examples", "seeds", "folds", "indices"])
def test_neighboring_keys_are_independent(family):
    if family == "examples":
        keys = noise.keys(0, 40)
    elif family == "seeds":
        keys = ops.concatenate([noise.keys(seed, 1) for seed in range(40)])
    elif family == "folds":
        keys = ops.concatenate([noise.fold(noise.keys(0, 1), r) for r in range(40)])
    else:
        keys = noise.of_indices(0, np.arange(40))
    numbers = _numpy(noise.uniform(keys, (4096,)))
    correlation = np.corrcoef(numbers) - np.eye(40)
    assert np.abs(correlation).max() < 5.5 / np.sqrt(4096)
    shifted = np.corrcoef(numbers[:-1, 1:].ravel(), numbers[1:, :-1].ravel())[0, 1]
    assert abs(shifted) < 5 / np.sqrt(39 * 4095)


def test_folds_and_examples_never_share_a_key():
    keys = noise.keys(7, 50)
    folded = [_numpy(noise.fold(keys, number)) for number in range(20)]
    every = np.concatenate([_numpy(keys), *folded])
    assert len(np.unique(every, axis=0)) == len(every)


def test_fold_takes_one_number_per_example():
    keys = noise.keys(7, 3)
    mixed = _numpy(noise.fold(keys, np.array([5, 6, 5])))
    np.testing.assert_array_equal(mixed[0], _numpy(noise.fold(keys, 5))[0])
    np.testing.assert_array_equal(mixed[1], _numpy(noise.fold(keys, 6))[1])
    np.testing.assert_array_equal(mixed[2], _numpy(noise.fold(keys, 5))[2])


def test_normal_has_the_moments_of_the_normal_law():
    numbers = _numpy(noise.normal(noise.keys(3, 64), (1024,)))
    count = numbers.size
    assert np.all(np.isfinite(numbers))
    assert abs(numbers.mean()) < 5 / np.sqrt(count)
    assert abs(numbers.var() - 1) < 5 * np.sqrt(2 / count)
    assert abs((numbers**3).mean()) < 5 * np.sqrt(15 / count)
    assert abs((numbers**4).mean() - 3) < 5 * np.sqrt(96 / count)


@pytest.mark.parametrize("high", [1, 2, 7])
def test_integers_are_uniform_and_below_high(high):
    numbers = _numpy(noise.integers(noise.keys(4, 7000), high))
    assert numbers.shape == (7000,) and numbers.dtype == np.int32
    observed = np.bincount(numbers, minlength=high)
    assert len(observed) == high
    assert np.all(np.abs(observed - 7000 / high) < 5 * np.sqrt(7000 / high))


def test_seed_generator_advances_by_one_per_draw():
    generator = keras.random.SeedGenerator(5)
    before = _numpy(generator.state.value)
    first = _numpy(noise.keys(generator, 3))
    after = _numpy(generator.state.value)
    second = _numpy(noise.keys(generator, 3))
    assert not np.array_equal(first, second)
    assert (after - before).tolist() == [0, 1]


def test_int_seed_repeats_itself_whatever_its_type():
    first = _numpy(noise.keys(9, 3))
    np.testing.assert_array_equal(_numpy(noise.keys(9, 3)), first)
    np.testing.assert_array_equal(_numpy(noise.keys(np.int64(9), 3)), first)
    assert not np.array_equal(_numpy(noise.keys(10, 3)), first)


def test_keys_pass_through_and_a_single_key_is_spread():
    keys = noise.keys(9, 3)
    np.testing.assert_array_equal(_numpy(noise.keys(keys, 3)), _numpy(keys))
    key = ops.convert_to_tensor(np.array([9, 0], "uint32"))
    np.testing.assert_array_equal(_numpy(noise.keys(key, 3)), _numpy(keys))


def test_keys_of_indices_do_not_depend_on_the_company():
    alone = _numpy(noise.of_indices(4, [17]))
    together = _numpy(noise.of_indices(4, np.array([3, 17, 99])))
    np.testing.assert_array_equal(alone[0], together[1])
    assert not np.array_equal(alone, _numpy(noise.of_indices(5, [17])))


@pytest.mark.parametrize("seed", [-1, 1.5, "3", None, True, [1, 2]])
def test_bad_seed_names_the_argument_and_the_fix(seed):
    with pytest.raises(
        ValueError, match=r"`seed` must .*Received: seed=.* Pass seed=0"
    ):
        noise.keys(seed, 2)
