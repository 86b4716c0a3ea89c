"""What every attack promises, for each row of `attacks_table.py` and both norms."""

import dataclasses

import keras
import numpy as np
import pytest
from keras import ops

from keras_mpat import attacks, backend, noise
from keras_mpat.objectives import CrossEntropy
from keras_mpat.threat_models import L2, Linf
from tests.contracts.attacks_table import CASES, IDS, build, labels, random_images

EVERY = pytest.mark.parametrize(("row", "norm"), CASES, ids=IDS)


def _lean():
    """The threat model owns the norm: in L2 two rows stand for those that are slow."""
    for name, (row, norm) in zip(IDS, CASES, strict=True):
        fast = norm.ball is Linf or name in ("L2-FGSM()", "L2-PGD(steps=3)")
        marks = [] if fast else [pytest.mark.slow]
        yield pytest.param(row, norm, id=name, marks=marks)


LEAN = pytest.mark.parametrize(("row", "norm"), list(_lean()))
SHAPE = (8, 8, 1)


def _numpy(tensor):
    return ops.convert_to_numpy(tensor)


@EVERY
def test_result_is_in_the_ball_and_the_box(row, norm, digits):
    attack, x = build(row, norm), random_images()
    result = attack(digits[0], x, labels(), seed=1)
    assert ops.is_tensor(result)
    assert keras.backend.standardize_dtype(result.dtype) == "float32"
    distance = _numpy(attack.threat_model.distance(result, ops.convert_to_tensor(x)))
    result = _numpy(result)
    assert result.shape == x.shape
    assert result.min() >= 0 and result.max() <= 1
    assert np.all(distance <= norm.epsilon + 1e-6)
    assert row.nearest or distance.max() > 0.5 * norm.epsilon


@EVERY
def test_result_depends_on_the_seed_alone(row, norm, digits):
    attack = build(row, norm, epsilon=4 * norm.epsilon)  # near starts may end as one
    x, y = random_images(), labels()
    first, again, other = (_numpy(attack(digits[0], x, y, seed=s)) for s in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert np.array_equal(first, other) == (not row.random)


@pytest.mark.one_backend
@LEAN
def test_result_does_not_depend_on_the_company(row, norm, digits):
    logits_fn, x, y = digits
    attack, keys = build(row, norm), noise.keys(5, 16)
    together = _numpy(attack(logits_fn, x, y, keys))
    alone = _numpy(attack(logits_fn, x[5:6], y[5:6], keys[5:6]))
    np.testing.assert_allclose(alone[0], together[5], atol=1e-6)
    assert np.abs(together[5] - x[5]).max() > 1e-3


@pytest.mark.one_backend
@LEAN
def test_search_is_the_worst_of_its_runs(row, norm, digits):
    logits_fn, x, y = digits
    attack, keys = build(row, norm, epsilon=norm.epsilon / 3), noise.keys(6, len(x))
    count = attack.runs(10)
    x, y = ops.convert_to_tensor(x), ops.convert_to_tensor(y)

    def fooled(x_adv):
        return _numpy(CrossEntropy().fooled(y, logits_fn(x_adv)))

    numbers = [ops.convert_to_tensor(number) for number in range(count)]
    each = [fooled(attack.run(logits_fn, x, y, keys, number)) for number in numbers]
    result = fooled(attack(logits_fn, x, y, keys))
    np.testing.assert_array_equal(result, np.any(each, axis=0))


@LEAN
def test_a_graph_equals_eager_mode(row, norm, digits):
    _compiled_equals_eager(build(row, norm), digits, jit_compile=False)


def _some_slow():
    """On a CPU XLA unrolls the loops: half a minute for FAB. JAX's graph is XLA."""
    for name, (row, norm) in zip(IDS, CASES, strict=True):
        heavy = row.nearest or row.holds or norm.ball is L2
        slow = heavy or backend.NAME == "jax"
        marks = [pytest.mark.slow] if slow else []
        yield pytest.param(row, norm, id=name, marks=marks)


@pytest.mark.parametrize(("row", "norm"), list(_some_slow()))
def test_xla_equals_eager_mode(row, norm, digits):
    _compiled_equals_eager(build(row, norm), digits, jit_compile=True)


def _compiled_equals_eager(attack, digits, *, jit_compile):
    logits_fn, x, y = digits
    keys = noise.keys(6, len(x))
    x, y = ops.convert_to_tensor(x), ops.convert_to_tensor(y)

    def unsure(x):
        # Of a probability of 0.9999, float32 leaves 1 - p three digits, and the
        # direction of its cross-entropy gradient no more.
        return 0.3 * logits_fn(x)

    def run(x, y, keys):
        x_adv = attack(unsure, x, y, keys)
        return x_adv, CrossEntropy()(y, unsure(x_adv))

    eager, value = (_numpy(part) for part in run(x, y, keys))
    compiled = backend.function(run, jit_compile=jit_compile)(x, y, keys)
    result, other = (_numpy(part) for part in compiled)
    assert np.mean(np.abs(result - eager) <= 1e-5) >= 0.999
    np.testing.assert_allclose(other.mean(), value.mean(), rtol=1e-5, atol=1e-5)


def _fills_the_ball(row):
    return row.climbs and not row.nearest


def _mean_cross_entropy(logits_fn, x, y):
    logits = logits_fn(ops.convert_to_tensor(x))
    return float(_numpy(ops.mean(CrossEntropy()(y, logits))))


@LEAN
def test_gradients_beat_noise(row, norm, digits):
    logits_fn, x, y = digits
    attack = build(row, norm)
    rival = attacks.RandomNoise(attack.threat_model, restarts=1)
    noisy = _mean_cross_entropy(logits_fn, rival(logits_fn, x, y, seed=2), y)
    clean = _mean_cross_entropy(logits_fn, x, y)
    attacked = _mean_cross_entropy(logits_fn, attack(logits_fn, x, y, seed=2), y)
    assert attacked > (2 * noisy if row.climbs else clean)


@pytest.mark.parametrize(
    ("row", "norm"),
    [case for case in CASES if _fills_the_ball(case[0])],
    ids=[
        name for name, case in zip(IDS, CASES, strict=True) if _fills_the_ball(case[0])
    ],
)
def test_linear_model_is_solved_exactly(row, norm):
    weights = np.random.default_rng(7).normal(size=(64, 2)).astype("float32")
    attack = dataclasses.replace(build(row, norm, epsilon=0.1), **row.linear)
    x = random_images()
    if norm.ball is L2:
        x = 0.3 + 0.4 * x  # the box is inactive, else there is no closed form
    y = np.arange(16) % 2
    lead = 5.0 * np.eye(2, dtype="float32")[y]  # nothing is fooled on the way

    def logits_fn(x):
        return ops.matmul(ops.reshape(x, (-1, 64)), weights) * 0.1 + lead

    gradient = (weights[:, 1 - y] - weights[:, y]).T.reshape(x.shape)
    if norm.ball is Linf:
        expected, tolerance = np.clip(x + 0.1 * np.sign(gradient), 0, 1), 1e-6
    else:
        length = np.linalg.norm(gradient.reshape(16, -1), axis=-1).reshape(-1, 1, 1, 1)
        expected, tolerance = x + 0.1 * gradient / length, 3e-4
    result = _numpy(attack(logits_fn, x, y, seed=0))
    np.testing.assert_allclose(result, expected, atol=tolerance)


@pytest.mark.one_backend
@LEAN
def test_tiny_radius_changes_no_prediction(row, norm, digits):
    logits_fn, x, y = digits
    result = build(row, norm, epsilon=1e-5)(logits_fn, x, y, seed=0)
    np.testing.assert_array_equal(_numpy(ops.argmax(logits_fn(result), -1)), y)
    assert 0 < np.abs(_numpy(result) - x).max() <= 1.2e-5


@pytest.mark.one_backend
@EVERY
def test_config_round_trip_and_repr(row, norm):
    mutable = np.arange(64).reshape(SHAPE) % 2 == 0
    for attack in (build(row, norm), build(row, norm, mutable=mutable)):
        config = keras.saving.serialize_keras_object(attack)
        again = keras.saving.deserialize_keras_object(config)
        assert again == attack and hash(again) == hash(attack)
        assert type(attack).__name__ in repr(again) and "epsilon=" in repr(again)
    assert attack != build(row, norm, epsilon=norm.epsilon / 2, mutable=mutable)


@pytest.mark.one_backend
@EVERY
def test_scaled_halves_epsilon_and_step(row, norm):
    attack = build(row, norm)
    half = attack.scaled(0.5)
    assert type(half) is type(attack)
    assert half.threat_model.radius == pytest.approx(norm.epsilon / 2)
    assert half.scaled(2.0).threat_model.radius == pytest.approx(norm.epsilon)
    if isinstance(attack, attacks.GradientAttack):
        assert half.step_length == pytest.approx(attack.step_length / 2)
        fixed = dataclasses.replace(attack, step_size="1/50").scaled(0.5)
        assert fixed.step_length == pytest.approx(0.01)


@pytest.mark.one_backend
@LEAN
def test_mutable_mask_is_respected(row, norm, digits):
    logits_fn, x, y = digits
    mutable = np.arange(64).reshape(SHAPE) % 3 != 0
    result = _numpy(build(row, norm, mutable=mutable)(logits_fn, x, y, seed=0))
    np.testing.assert_array_equal(result[:, ~mutable], x[:, ~mutable])
    assert np.all(np.abs(result - x)[:, mutable].max(axis=1) > 0.01)


@pytest.mark.one_backend
@EVERY
def test_radius_per_feature_is_respected(row, norm, digits):
    logits_fn, x, y = digits
    radius = np.array([0.0, 0.05, 0.2], "float32")[np.arange(64) % 3].reshape(SHAPE)
    if norm.ball is L2:
        radius = radius * 8  # semi-axes of an ellipsoid
    attack = build(row, norm, epsilon=radius)
    change = _numpy(attack(logits_fn, x, y, seed=0)) - x
    assert np.all(change[:, radius == 0] == 0)
    relative = change[:, radius > 0] / radius[radius > 0]
    size = np.abs(relative).max(-1)
    if norm.ball is L2:
        size = np.linalg.norm(relative, axis=-1)
    assert np.all(size <= 1 + 1e-5)
    assert np.abs(change).max() > 0.06  # the wide features use their width


@pytest.mark.one_backend
@LEAN
def test_bounds_only_change_the_unit(row, norm, digits):
    if row.holds:
        pytest.skip("the model that it holds takes inputs in [0, 1]")
    logits_fn, x, y = digits
    unit = build(row, norm, epsilon="8/255")
    grey = build(row, norm, epsilon="8/255", bounds=(0, 255))
    result = _numpy(unit(logits_fn, x, y, seed=0))
    scaled = grey(lambda x: logits_fn(x / 255.0), x * 255, y, seed=0)
    close = np.abs(_numpy(scaled) - 255 * result) <= 255 * 1e-5
    assert np.mean(close) >= 0.999
    assert np.abs(result - x).max() > 0.01


@pytest.mark.one_backend
@LEAN
def test_uint8_images_are_cast_at_entry(row, norm, digits):
    logits_fn, x, y = digits[0], random_images(), labels()
    pixels = np.round(x * 255).astype("uint8")
    attack = build(row, norm, epsilon="8/255", bounds=(0, 255))

    def grey(x):
        return logits_fn(x / 255.0)

    from_bytes = attack(grey, pixels, y, seed=0)
    assert keras.backend.standardize_dtype(from_bytes.dtype) == "float32"
    from_floats = attack(grey, pixels.astype("float32"), y, seed=0)
    np.testing.assert_array_equal(_numpy(from_bytes), _numpy(from_floats))
    assert np.abs(_numpy(from_bytes) - pixels).max() <= 8 * (1 + 1e-5)


@LEAN
def test_no_gradient_flows_through_the_result(row, norm, digits):
    logits_fn, x, y = digits
    attack = build(row, norm)

    def through(x):
        x_adv = attack(logits_fn, x, y, noise.keys(0, 16))
        return ops.sum(x_adv + 2.0 * x, axis=(1, 2, 3)), x_adv

    gradient, _, _ = backend.input_gradient(through, ops.convert_to_tensor(x))
    np.testing.assert_array_equal(_numpy(gradient), np.full(x.shape, 2.0))
