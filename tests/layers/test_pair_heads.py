"""TripletHead and NPairHead: which images they choose, and what they make of them."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_mpat as mpat
from keras_mpat import noise
from keras_mpat.layers import NPairHead, TripletHead
from keras_mpat.training import FreeTraining, PGDTraining, StandardTraining
from tests import toy

X, Y = toy.data(12)
PGD = PGDTraining(mpat.Linf(0.1), steps=2)


def array(tensor):
    return ops.convert_to_numpy(tensor)


def model(head, strategy=PGD, **kwargs):
    return toy.model(strategy, head=head, **kwargs)


def rows_of(images, candidates):
    """Index of each image among the candidates."""
    equal = np.all(images[:, None] == candidates[None], axis=-1)
    assert np.all(equal.sum(axis=1) == 1)
    return equal.argmax(axis=1)


def embed(m, x, training=False):
    """Both layers of `toy.net` by hand, with BatchNorm as asked."""
    dense, norm = m.classifier.layers[:2]
    hidden = x @ array(dense.kernel) + array(dense.bias)
    mean, variance = array(norm.moving_mean), array(norm.moving_variance)
    if training:
        mean, variance = hidden.mean(axis=0), hidden.var(axis=0)
    hidden = (hidden - mean) / np.sqrt(variance + norm.epsilon)
    return np.maximum(hidden * array(norm.gamma) + array(norm.beta), 0)


def distance(a, b):
    product = np.sum(a * b, axis=-1)
    return 1 - np.abs(product) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)


def views_of(m, x=X, y=Y):
    views = m.perturb(ops.convert_to_tensor(x), y)
    return {name: array(view) for name, view in views.items()}


def test_roles_of_tla():
    m = model(TripletHead())
    views = views_of(m)
    assert list(views) == ["adversarial", "positive", "negative"]
    positive, negative = rows_of(views["positive"], X), rows_of(views["negative"], X)
    assert np.all(Y[positive] == Y) and np.all(positive != np.arange(len(X)))
    assert np.all(Y[negative] != Y)
    distances = distance(
        embed(m, views["adversarial"])[:, None], embed(m, X)[None]
    ) + np.where(Y[:, None] == Y[None], 9.0, 0.0)
    np.testing.assert_array_equal(negative, distances.argmin(axis=1))
    assert len(set(negative)) < len(X)  # mined, not one for each


def test_switched_anchor():
    m = model(TripletHead(anchor="clean"))
    views = views_of(m)
    assert list(views) == ["adversarial", "anchor", "negative"]
    anchors = rows_of(views["anchor"], X)
    assert np.all(Y[anchors] == Y) and np.all(anchors != np.arange(len(X)))
    distances = distance(embed(m, X[anchors])[:, None], embed(m, X)[None])
    distances = distances + np.where(Y[:, None] == Y[None], 9.0, 0.0)
    mined = rows_of(views["negative"], X)
    np.testing.assert_array_equal(mined, distances.argmin(axis=1))


def test_random_negatives_are_uniform_over_other_classes():
    m = model(TripletHead(negatives="random"), StandardTraining())
    counts = np.zeros((len(X), len(X)))
    for _ in range(60):
        views = views_of(m)
        counts[np.arange(len(X)), rows_of(views["negative"], X)] += 1
    other = Y[:, None] != Y[None]
    assert np.all(counts[~other] == 0)
    expected = 60 / 6
    chi = np.sum((counts[other] - expected) ** 2 / expected)
    assert chi < 2 * 12 * 5  # 12 rows with 5 degrees of freedom: mean 60


@pytest.mark.parametrize("joint", [False, True], ids=["separate", "joint"])
def test_loss_of_a_step_against_numpy(joint):
    head = TripletHead(margin=0.4, norm_weight=0.1, joint_forward=joint)
    m = model(head, StandardTraining(), head_weight=0.7)
    state = int(array(m.head.seed_generator.state)[1])
    views = views_of(m)
    m.head.seed_generator.state.assign([0, state])  # the same choices again
    roles = [views[name] for name in ("clean", "positive", "negative")]
    if joint:
        a, p, n = np.split(embed(m, np.concatenate(roles), training=True), 3)
    else:
        a, p, n = (embed(m, role, training=True) for role in roles)
    hinge = np.maximum(distance(a, p) - distance(a, n) + 0.4, 0)
    norms = sum(np.mean(np.square(role), axis=1) for role in (a, p, n))
    weights = np.arange(len(X)).astype("float32") / 6
    expected = np.mean(weights * (hinge + 0.1 * norms))
    logs = m.train_on_batch(X, Y, sample_weight=weights, return_dict=True)
    assert logs["head_loss"] == pytest.approx(expected, rel=1e-4)
    total = logs["ce_loss"] + 0.7 * expected
    assert logs["loss"] == pytest.approx(total, rel=1e-4)


def test_an_image_alone_in_its_class_is_its_own_positive():
    y = np.array([0, 1, 1, 1])
    views = views_of(model(TripletHead(), StandardTraining()), X[:4], y)
    np.testing.assert_array_equal(views["positive"][0], X[0])
    assert rows_of(views["negative"], X[:4])[0] != 0


def test_one_class_has_no_negative_and_no_term():
    m = model(TripletHead(margin=1.0, norm_weight=0.0), StandardTraining())
    embeddings = dict.fromkeys(("clean", "positive", "negative"), ops.ones((4, 8)))
    zeros, ones = ops.zeros(4, "int32"), ops.convert_to_tensor([0, 1, 1, 1])
    assert float(m.head.embedding_loss(zeros, embeddings)) == 0
    assert float(m.head.embedding_loss(ones, embeddings)) == 1


def test_the_pool_remembers_batches():
    head = TripletHead(negative_pool=3, batch_size=4)
    m = model(head, StandardTraining())
    assert np.all(array(head.pool_labels) == -1)
    for batch in (slice(0, 4), slice(4, 8), slice(8, 12)):
        views = views_of(m, X[batch], Y[batch])
        assert np.all(Y[rows_of(views["negative"], X)] != Y[batch])
        m.train_on_batch(X[batch], Y[batch])
    np.testing.assert_array_equal(array(head.pool), np.concatenate([X[8:], X[4:8]]))
    np.testing.assert_array_equal(array(head.pool_labels), [*Y[8:], *Y[4:8]])
    m.train_on_batch(X[:2], Y[:2])  # a smaller batch pushes fewer out
    kept = np.concatenate([X[:2], X[8:], X[4:6]])
    np.testing.assert_array_equal(array(head.pool), kept)


def test_the_pool_has_a_negative_where_the_batch_has_none():
    head = TripletHead(negative_pool=2, batch_size=4, margin=1.0, norm_weight=0.0)
    m = model(head, StandardTraining(), learning_rate=0.0)
    logs = []
    for labels in ([0, 1, 0, 1], [1, 1, 1, 1], [0, 0, 0, 0], [0, 0, 0, 0]):
        logs.append(m.train_on_batch(X[:4], np.array(labels), return_dict=True))
        m.reset_metrics()
    losses = [log["head_loss"] for log in logs]
    assert min(losses[:3]) > 0.3
    assert losses[3] == 0  # neither batch nor pool has another class


def test_the_pool_takes_a_replayed_batch_once():
    strategy = FreeTraining(mpat.Linf(0.1), replays=4, batch_size=4)
    m = model(TripletHead(negative_pool=4, batch_size=4), strategy)
    for start in (0, 4, 8):
        m.train_on_batch(X[start : start + 4], Y[start : start + 4])
    expected = np.concatenate([X[8:], X[4:8], X[:4]])
    np.testing.assert_array_equal(array(m.head.pool), expected)


def test_an_unbuilt_head_can_be_saved_and_a_built_one_is_for_its_model():
    config = keras.saving.serialize_keras_object(TripletHead(margin=0.2))
    assert keras.saving.deserialize_keras_object(config).margin == 0.2
    for head in (TripletHead(negative_pool=2), mpat.SoftTripleHead(2)):
        model(head, StandardTraining())
        wide = keras.Sequential(
            [keras.Input((5,)), keras.layers.Dense(3), keras.layers.Dense(2)]
        )
        with pytest.raises(ValueError, match="must be made for.*Pass a new"):
            model(head, StandardTraining(), classifier=wide)


def test_n_pair_against_numpy():
    m = model(NPairHead(l2_weight=0.1), StandardTraining(), head_weight=0.7)
    generator = m.head.seed_generator
    state = array(generator.state).copy()
    keys = noise.keys(generator, len(X))
    generator.state.assign(state)
    same = (Y[:, None] == Y[None]) & ~np.eye(len(X), dtype=bool)
    index = array(noise.choice(keys, ops.convert_to_tensor(same))[0])
    assert np.all(Y[index] == Y) and np.all(index != np.arange(len(X)))
    a = embed(m, X, training=True).astype("float64")
    products = a @ a[index].T
    shifted = products - products.max(axis=1, keepdims=True)
    log_softmax = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    targets = (Y[:, None] == Y[None]) / 6
    values = -np.sum(targets * log_softmax, axis=1)
    squares = np.sum(a**2, axis=1)
    values += 0.25 * 0.1 * (squares + squares[index])
    logs = m.train_on_batch(X, Y, return_dict=True)
    assert logs["head_loss"] == pytest.approx(values.mean(), rel=1e-4)
    assert logs["loss"] == pytest.approx(
        logs["ce_loss"] + 0.7 * values.mean(), rel=1e-4
    )


def test_one_pair_per_class_is_the_mean_over_two_pairs():
    head = NPairHead(l2_weight=0.0, one_pair_per_class=True, normalize=True)
    rng = np.random.default_rng(0)
    a = rng.normal(size=(6, 3))
    y = np.array([0, 1, 0, 1, 0, 1])
    keys = noise.keys(NPairHead().seed_generator, 6)
    same = (y[:, None] == y[None]) & ~np.eye(6, dtype=bool)
    index = array(noise.choice(keys, ops.convert_to_tensor(same))[0])[:2]
    u = a / np.linalg.norm(a, axis=1, keepdims=True)
    products = u[:2] @ u[index].T
    values = np.log(np.exp(products).sum(axis=1)) - np.diag(products)
    got = head.embedding_loss(
        ops.convert_to_tensor(y, "int32"), {"clean": ops.convert_to_tensor(a)}
    )
    assert float(got) == pytest.approx(values.mean(), rel=1e-5)


def test_choice_is_uniform_and_never_forbidden():
    allowed = np.array([[0, 1, 0, 1, 1], [1, 0, 0, 0, 0], [0, 0, 0, 0, 0]], bool)
    mask = ops.convert_to_tensor(np.repeat(allowed, 3000, axis=0))
    index, exists = noise.choice(noise.keys(1, 9000), mask)
    index, exists = array(index).reshape(3, -1), array(exists).reshape(3, -1)
    counts = np.bincount(index[0], minlength=5)
    assert counts[[0, 2]].sum() == 0 and np.all(np.abs(counts[[1, 3, 4]] - 1000) < 130)
    assert np.all(index[1:] == 0)
    assert np.all(exists[:2]) and not np.any(exists[2])
