"""SoftTripleHead: published vectors, a slow oracle, invariances, saving, precision."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_mpat as mpat
from keras_mpat import backend
from tests import oracles

X = np.array([[1, 2, 2], [2, 0, 1]], "float32")
Y = np.array([0, 1])
W = np.array([[[3, 0, 0], [0, 4, 0]], [[0, 0, 2], [1, 1, 1]]], "float32")
TAU = 0.2


def head_with(prototypes, active=None, **kwargs):
    """A built head with these prototypes (C, K, D) and this mask (C, K)."""
    prototypes = np.asarray(prototypes, "float32")
    classes, count, features = prototypes.shape
    head = mpat.SoftTripleHead(classes, prototypes_per_class=count, **kwargs)
    head.build((None, features))
    head.prototypes.assign(prototypes)
    if active is not None:
        head.active.assign(np.asarray(active, "float32"))
    return head


def similarities(head, x=X):
    return ops.convert_to_numpy(head.logits(ops.convert_to_tensor(x))) / head.scale


def losses(head, x=X, y=Y):
    loss = mpat.losses.SoftTriple(head.margin, head.scale, reduction="none")
    return ops.convert_to_numpy(loss(y, head.logits(ops.convert_to_tensor(x))))


def regularizer(head):
    return float(head.regularization()) / head.tau


def total(head, x=X, y=Y):
    return float(losses(head, x, y).mean() + head.tau * regularizer(head))


def test_vector_a_similarities_and_loss():
    head = head_with(W)
    np.testing.assert_allclose(
        similarities(head),
        [[0.65518493, 0.94763048], [0.8943105, 0.76265375]],
        rtol=1e-4,
    )
    np.testing.assert_allclose(losses(head), [6.05126862, 2.89029768], rtol=1e-4)
    assert losses(head).mean() == pytest.approx(4.47078315, rel=1e-4)
    assert regularizer(head) == pytest.approx(0.58340606, rel=1e-4)
    assert total(head) == pytest.approx(4.58746436, rel=1e-4)


def test_vector_a_gradient_with_respect_to_embeddings():
    head = head_with(W)
    objective = head.loss()

    def goal(x):
        value = objective(Y, head.logits(x)) + head.regularization()
        return ops.reshape(value, (1,)), value

    gradient, value, _ = backend.input_gradient(goal, ops.convert_to_tensor(X))
    assert float(value[0]) == pytest.approx(4.58746436, rel=1e-4)
    np.testing.assert_allclose(
        ops.convert_to_numpy(gradient),
        [[2.01719974, -2.14527672, 1.13667685], [1.23886619, -2.63456181, -2.47773239]],
        rtol=1e-4,
    )


def prototype_gradient(head, x=X, y=Y):
    """dL_DML / dW through Keras' own update: SGD with learning rate 1."""
    before = ops.convert_to_numpy(head.prototypes.value)
    model = keras.Sequential([keras.Input(x.shape[1:]), head])
    model.compile(keras.optimizers.SGD(1.0), loss=head.loss())
    model.train_on_batch(x, y)
    return before - ops.convert_to_numpy(head.prototypes.value)


def test_vector_a_gradient_with_respect_to_prototypes():
    gradient = prototype_gradient(head_with(W))
    np.testing.assert_allclose(
        gradient,
        [
            [[0, 0.15763106, 1.57876366], [-0.9059293, 0, -1.79089824]],
            [[0.16742201, -0.31335339, 0], [-4.01426537, 3.33792408, 0.67634129]],
        ],
        rtol=1e-4,
        atol=2e-6,
    )
    np.testing.assert_allclose(np.sum(gradient * W, axis=-1), 0.0, atol=2e-5)


def test_embeddings_are_normalized():
    raw = oracles.soft_triple_similarities(X, list(W), normalize=False)
    assert oracles.soft_triple_losses(raw, Y).mean() == pytest.approx(11.752956)
    assert losses(head_with(W)).mean() < 5


def test_vector_b_single_prototype():
    head = head_with(W[:, :1])
    np.testing.assert_allclose(
        similarities(head),
        [[1 / 3, 2 / 3], [0.89442719, 0.4472136]],
        rtol=1e-4,
    )
    assert losses(head).mean() == pytest.approx(8.00604340, rel=1e-4)
    assert float(head.regularization()) == 0.0


def with_duplicate():
    return np.concatenate([W, W[:, -1:]], axis=1)


def test_vector_c_masked_duplicate_reproduces_a():
    head = head_with(with_duplicate(), [[1, 1, 0], [1, 1, 0]])
    plain = head_with(W)
    np.testing.assert_allclose(similarities(head), similarities(plain), rtol=1e-6)
    assert regularizer(head) == pytest.approx(regularizer(plain), rel=1e-6)
    assert total(head) == pytest.approx(4.58746436, rel=1e-4)
    gradient = prototype_gradient(head)
    assert np.all(gradient[:, 2] == 0.0)
    assert np.all(np.abs(gradient[:, :2]).max(-1) > 0.1)


def test_vector_c_unmasked_duplicate():
    head = head_with(with_duplicate())
    np.testing.assert_allclose(
        similarities(head),
        [[0.6608252, 0.9547551], [0.89419384, 0.76851427]],
        rtol=1e-4,
    )
    assert regularizer(head) == pytest.approx(0.38946442, rel=1e-4)


def test_vector_c_unequal_masks():
    head = head_with(with_duplicate(), [[1, 1, 1], [1, 0, 0]])
    np.testing.assert_allclose(
        similarities(head),
        [[0.6608252, 2 / 3], [0.89419384, 0.4472136]],
        rtol=1e-4,
    )
    np.testing.assert_allclose(losses(head), [0.86405737, 9.13971217], rtol=1e-4)
    assert regularizer(head) == pytest.approx(0.23596637, rel=1e-4)
    assert total(head) == pytest.approx(5.04907805, rel=1e-4)


def test_a_prototype_that_counts_twice_is_two_equal_ones():
    twice = [[1, 2], [1, 2]]
    one, two = head_with(W, multiplicity=True), head_with(with_duplicate())
    one.counts.assign(np.array(twice, "float32"))
    np.testing.assert_allclose(similarities(one), similarities(two), rtol=1e-6)
    one.multiplicity = False
    np.testing.assert_allclose(similarities(one), similarities(head_with(W)))


def test_multiplicity_changes_nothing_before_a_merging():
    active = [[1, 1, 0], [1, 1, 1]]
    plain = head_with(with_duplicate(), active)
    counting = head_with(with_duplicate(), active, multiplicity=True)
    counting.counts.assign(np.array(active, "float32"))
    np.testing.assert_array_equal(similarities(counting), similarities(plain))


@pytest.mark.parametrize(
    ("prototypes", "expected"),
    [
        ([[0, 3, 0], [0, 5, 0]], 0.00158114),
        ([[5, 0, 0], [0, 0.1, 0]], 0.70710855),
        ([[5, 0, 0], [0, 0.1, 0], [0, 0, 2]], 0.70710855),
        ([[1, 0, 0], [-3, 0, 0]], 1.00000125),
    ],
    ids=["identical", "orthogonal-2", "orthogonal-3", "antipodal"],
)
def test_vector_d_regularizer(prototypes, expected):
    assert regularizer(head_with([prototypes] * 2)) == pytest.approx(expected, rel=1e-4)


def test_identical_prototypes_have_a_finite_gradient():
    gradient = prototype_gradient(head_with([[[1, 2, 3], [1, 2, 3]]] * 2))
    assert np.all(np.isfinite(gradient))


def test_vector_e_small_gamma_takes_the_maximum():
    np.testing.assert_allclose(
        similarities(head_with(W, gamma=1e-4)),
        [[2 / 3, 0.96225045], [0.89442719, 0.77459667]],
        rtol=1e-4,
    )


def test_vector_e_large_gamma_takes_the_mean():
    cosines = oracles.soft_triple_similarities
    mean = [
        [
            cosines(X[i : i + 1], [W[c, k : k + 1] for k in (0, 1)]).mean()
            for c in (0, 1)
        ]
        for i in (0, 1)
    ]
    np.testing.assert_allclose(similarities(head_with(W, gamma=1e7)), mean, rtol=1e-4)
    np.testing.assert_allclose(
        similarities(head_with(W, gamma=1e3))[0], [0.50002778, 0.8144804], rtol=1e-5
    )


@pytest.mark.parametrize(
    "counts", [1, 2, 3, 4, 5, [1, 3, 2], [5, 1, 1]], ids=lambda c: f"K={c}"
)
@pytest.mark.parametrize(("margin", "scale", "gamma"), [(0, 1, 1), (0.3, 20, 0.1)])
def test_matches_the_oracle(counts, margin, scale, gamma):
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(6, 4)).astype("float32"), rng.integers(0, 3, 6)
    head = mpat.SoftTripleHead(
        3, prototypes_per_class=counts, margin=margin, scale=scale, gamma=gamma
    )
    head.build((None, 4))
    counts = [counts] * 3 if isinstance(counts, int) else counts
    assert head.prototypes.shape == (3, max(counts), 4)
    values = ops.convert_to_numpy(head.prototypes.value).astype("float64")
    own = [values[c, :count] for c, count in enumerate(counts)]
    expected = oracles.soft_triple_similarities(x, own, gamma)
    np.testing.assert_allclose(similarities(head, x), expected, atol=2e-6)
    np.testing.assert_allclose(
        losses(head, x, y),
        oracles.soft_triple_losses(expected, y, margin, scale),
        rtol=2e-5,
        atol=2e-5,
    )
    assert regularizer(head) == pytest.approx(
        oracles.soft_triple_regularizer(own), rel=1e-5, abs=1e-7
    )


def test_gradients_match_finite_differences_of_the_oracle():
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(3, 4)).astype("float32"), np.array([0, 2, 1])
    prototypes = rng.normal(size=(3, 3, 4)).astype("float32")

    def value(values):
        own = [values[0, :2], values[1, :3], values[2, :1]]
        loss = oracles.soft_triple_losses(oracles.soft_triple_similarities(x, own), y)
        return loss.mean() + TAU * oracles.soft_triple_regularizer(own)

    head = head_with(prototypes, [[1, 1, 0], [1, 1, 1], [1, 0, 0]])
    np.testing.assert_allclose(
        prototype_gradient(head, x, y),
        oracles.finite_differences(value, prototypes),
        rtol=1e-3,
        atol=2e-5,
    )


def test_scale_of_embeddings_and_prototypes_does_not_matter():
    lengths = np.array([[3.0, 0.2], [7.0, 1e-3]], "float32")[..., None]
    head, longer = head_with(W), head_with(W * lengths)
    np.testing.assert_allclose(similarities(longer), similarities(head), rtol=1e-5)
    assert regularizer(longer) == pytest.approx(regularizer(head), rel=1e-5)
    stretched = X * np.array([[100.0], [1e-3]], "float32")
    np.testing.assert_allclose(
        similarities(head, stretched), similarities(head), rtol=1e-5
    )


def test_one_prototype_is_a_normalized_softmax_and_tau_is_irrelevant():
    head, other = head_with(W[:, :1], scale=7.0), head_with(W[:, :1], tau=5.0)
    cosine = [
        [np.dot(x, w) / np.linalg.norm(x) / np.linalg.norm(w) for w in W[:, 0]]
        for x in X
    ]
    output = ops.convert_to_numpy(head(ops.convert_to_tensor(X)))
    np.testing.assert_allclose(output, 7.0 * np.array(cosine), rtol=1e-5)
    assert float(other.regularization()) == 0.0


def test_tau_weights_the_regularizer():
    strong, off = head_with(W, tau=2.0), head_with(W, tau=0.0)
    assert float(strong.regularization()) == pytest.approx(2 * 0.58340606, rel=1e-4)
    assert float(off.regularization()) == 0.0


def test_call_adds_the_regularizer_once():
    head = head_with(W)
    head(ops.convert_to_tensor(X))
    assert [float(loss) for loss in head.losses] == pytest.approx([TAU * 0.58340606])


@pytest.mark.parametrize("length", [0.0, 1e-20, 1e-7])
def test_tiny_embeddings_give_finite_values_and_bounded_gradients(length):
    head = head_with(W)
    x = np.array([[0, length, 0], [1, 2, 3]], "float32")

    def goal(z):
        logits = head.logits(z)
        return losses_of(logits), logits

    def losses_of(logits):
        loss = mpat.losses.SoftTriple(head.margin, head.scale, reduction="none")
        return loss(Y, logits)

    gradient, values, _ = backend.input_gradient(goal, ops.convert_to_tensor(x))
    assert np.all(np.isfinite(ops.convert_to_numpy(values)))
    gradient = ops.convert_to_numpy(gradient)
    assert np.all(np.isfinite(gradient))
    assert np.abs(gradient[0]).max() < 1e9
    if length < 1e-12:
        assert np.all(gradient[0] == 0.0)
    assert np.all(np.isfinite(prototype_gradient(head, x)))


@pytest.fixture
def precision(request):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(request.param)
    yield request.param
    keras.config.set_dtype_policy(before)


@pytest.mark.parametrize(
    "precision", ["mixed_float16", "mixed_bfloat16"], indirect=True
)
def test_float32_under_mixed_precision(precision):
    head = head_with(W)
    assert head.prototypes.dtype == "float32"
    x = ops.cast(X, precision.removeprefix("mixed_"))
    output = head(x)
    assert keras.backend.standardize_dtype(output.dtype) == "float32"
    np.testing.assert_allclose(
        ops.convert_to_numpy(output) / 20,
        [[0.65518493, 0.94763048], [0.8943105, 0.76265375]],
        rtol=1e-5,
    )
    assert float(head.losses[0]) == pytest.approx(TAU * 0.58340606, rel=1e-5)
    identical = head_with([[[0, 3, 0], [0, 5, 0]]] * 2)
    assert float(identical.regularization()) == pytest.approx(TAU * 0.00158114)


@pytest.mark.parametrize(("classes", "counts"), [(2, 10), (10, 5), (3, [2, 8, 1])])
def test_default_initialization_is_uniform_within_the_published_bound(classes, counts):
    head = mpat.SoftTripleHead(classes, prototypes_per_class=counts)
    head.build((None, 512))
    values = ops.convert_to_numpy(head.prototypes.value)
    bound = 1 / np.sqrt(classes * values.shape[1])
    assert 0.99 * bound < values.max() <= bound
    assert -bound <= values.min() < -0.99 * bound
    assert values.std() == pytest.approx(bound / np.sqrt(3), rel=0.02)


def test_unit_initialization_is_random_directions_of_length_one():
    head = mpat.SoftTripleHead(3, prototypes_per_class=4, initializer="unit")
    head.build((None, 50))
    values = ops.convert_to_numpy(head.prototypes.value)
    np.testing.assert_allclose(np.linalg.norm(values, axis=-1), 1.0, rtol=1e-5)
    flat = values.reshape(12, 50)
    assert np.abs(flat @ flat.T - np.eye(12)).max() < 0.75
    assert abs(values.mean()) < 0.05


def test_one_trainable_weight_and_the_mask():
    head = mpat.SoftTripleHead(3, prototypes_per_class=[2, 1, 3])
    assert head(np.ones((5, 4), "float32")).shape == (5, 3)
    assert [tuple(v.shape) for v in head.trainable_variables] == [(3, 3, 4)]
    assert [tuple(v.shape) for v in head.non_trainable_variables] == [(3, 3)] * 2
    for weight in (head.active, head.counts):
        np.testing.assert_array_equal(
            ops.convert_to_numpy(weight.value), [[1, 1, 0], [1, 0, 0], [1, 1, 1]]
        )
    assert head.compute_output_shape((7, 4)) == (7, 3)


@keras.saving.register_keras_serializable("keras_mpat_tests")
class Half(keras.initializers.Initializer):
    """A user's own initializer."""

    def __init__(self, value=0.5):
        self.value = value

    def __call__(self, shape, dtype=None):
        return ops.full(shape, self.value, dtype=dtype)

    def get_config(self):
        return {"value": self.value}


@pytest.mark.parametrize(
    "initializer",
    [
        "soft_triple",
        "unit",
        "orthogonal",
        keras.initializers.RandomNormal(stddev=0.25, seed=7),
        Half(0.75),
    ],
    ids=["soft_triple", "unit", "by-name", "keras", "own"],
)
def test_config_round_trip(initializer):
    head = mpat.SoftTripleHead(
        3,
        prototypes_per_class=[2, 1, 3],
        gamma=0.2,
        scale=10.0,
        margin=0.1,
        tau=0.3,
        initializer=initializer,
        multiplicity=True,
        name="modes",
    )
    config = keras.saving.serialize_keras_object(head)
    twin = keras.saving.deserialize_keras_object(config)
    assert keras.saving.serialize_keras_object(twin) == config
    assert twin.name == "modes"
    assert twin.prototypes_per_class == [2, 1, 3] and twin.multiplicity is True
    assert (twin.gamma, twin.scale, twin.margin, twin.tau) == (0.2, 10.0, 0.1, 0.3)
    twin.build((None, 4))
    if isinstance(initializer, Half):
        assert np.all(ops.convert_to_numpy(twin.prototypes.value) == 0.75)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"num_classes": 0}, "num_classes"),
        ({"num_classes": 2.5}, "num_classes"),
        ({"prototypes_per_class": 0}, "prototypes_per_class"),
        ({"prototypes_per_class": [2, 3]}, "prototypes_per_class"),
        ({"prototypes_per_class": [2, 0, 1]}, "prototypes_per_class"),
        ({"gamma": 0.0}, "gamma"),
        ({"gamma": float("nan")}, "gamma"),
        ({"scale": -1.0}, "scale"),
        ({"margin": -0.1}, "margin"),
        ({"tau": -0.1}, "tau"),
        ({"tau": float("nan")}, "tau"),
        ({"multiplicity": 1}, "multiplicity"),
    ],
    ids=repr,
)
def test_wrong_arguments_are_named(arguments, named):
    arguments = {"num_classes": 3, **arguments}
    with pytest.raises(ValueError, match=f"^`{named}` must be .* Received: "):
        mpat.SoftTripleHead(arguments.pop("num_classes"), **arguments)
