"""Objectives that know the head, against loops in NumPy."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_mpat as mpat
from keras_mpat import attacks
from keras_mpat.attacks.latent_objectives import View

C, K, D, B = 3, 4, 5, 7
RNG = np.random.default_rng(0)
EMBEDDING = (3.0 * RNG.normal(size=(B, D))).astype("float32")
LOGITS = RNG.normal(size=(B, C)).astype("float32")
LABELS = (np.arange(B) % C).astype("int32")
ACTIVE = np.array([[1, 1, 0, 1], [0, 1, 1, 0], [1, 1, 1, 1]], "float32")
HEADS = {
    "soft_triple": lambda: mpat.SoftTripleHead(C, prototypes_per_class=K),
    "step_multiplier": lambda: mpat.SoftTripleHead(
        C, prototypes_per_class=K, step_multiplier=10.0
    ),
    "proxy_nca": lambda: mpat.ProxyNCAHead(C),
    "proxy_anchor": lambda: mpat.ProxyAnchorHead(C),
}
EACH = pytest.mark.parametrize("name", HEADS)


def view(name):
    head = HEADS[name]()
    head.build((None, D))
    head.built = True
    for number, weight in enumerate(head.trainable_weights):
        rng = np.random.default_rng(number)
        weight.assign(rng.normal(size=weight.shape))
    if name in ("soft_triple", "step_multiplier"):
        head.active.assign(ACTIVE)
    return View(ops.convert_to_tensor(LOGITS), ops.convert_to_tensor(EMBEDDING), head)


def prototypes(head):
    """{(class, slot): vector of length 1} of those in use."""
    weight = np.asarray(head.trainable_weights[0].value, "float64")
    weight = weight.reshape(C, -1, D)
    used = ACTIVE if weight.shape[1] == K else np.ones((C, 1))
    return {
        (c, k): weight[c, k] / np.linalg.norm(weight[c, k])
        for c in range(C)
        for k in range(weight.shape[1])
        if used[c, k]
    }


def margin(row, label):
    return max(np.delete(row, label)) - row[label]


def leads(seen, vectors):
    """[{foreign (class, slot): product - best product of the own class}] per image."""
    found = []
    for vector, label in zip(vectors.astype("float64"), LABELS, strict=True):
        products = {place: vector @ w for place, w in prototypes(seen.head).items()}
        own = max(value for (c, _), value in products.items() if c == label)
        found.append(
            {place: v - own for place, v in products.items() if place[0] != label}
        )
    return found


@EACH
@pytest.mark.parametrize("with_logits", [False, True])
def test_margin_of_similarities(name, with_logits):
    seen = view(name)
    scores = np.asarray(seen.head.logits(seen.embedding))
    expected = np.array([margin(*pair) for pair in zip(scores, LABELS, strict=True)])
    if with_logits:
        pairs = zip(LOGITS, LABELS, strict=True)
        expected = expected + [margin(*pair) for pair in pairs]
    objective = attacks.SimilarityMargin(with_logits=with_logits)
    values = objective(LABELS, seen, objective.aim(LABELS, seen, 0))
    np.testing.assert_allclose(np.asarray(values), expected, rtol=1e-5, atol=1e-5)


@EACH
def test_margin_of_the_raw_embedding(name):
    seen = view(name)
    expected = [max(row.values()) for row in leads(seen, EMBEDDING)]
    objective = attacks.UnnormalizedMargin()
    values = objective(LABELS, seen, objective.aim(LABELS, seen, 0))
    np.testing.assert_allclose(np.asarray(values), expected, rtol=1e-5, atol=1e-5)


@EACH
def test_toward_the_nearest_foreign_prototypes(name):
    seen = view(name)
    units = EMBEDDING / np.linalg.norm(EMBEDDING, axis=1, keepdims=True)
    rows = leads(seen, units)
    for number in range(7):
        objective = attacks.TowardPrototype(7)
        aim = objective.aim(LABELS, seen, ops.convert_to_tensor(number))
        values = np.asarray(objective(LABELS, seen, aim))
        # The own part is the same for all, so that leads rank as products do.
        ranked = [sorted(row.values(), reverse=True) for row in rows]
        expected = [row[number % min(len(row), 7)] for row in ranked]
        np.testing.assert_allclose(values, expected, rtol=1e-4, atol=1e-5)


def test_toward_a_prototype_stays_with_it_when_another_one_is_nearer():
    seen = view("soft_triple")
    objective = attacks.TowardPrototype(1)
    aim = np.asarray(objective.aim(LABELS, seen, 0))
    moved = seen._replace(embedding=ops.convert_to_tensor(EMBEDDING[::-1].copy()))
    values = np.asarray(objective(LABELS, moved, aim))
    units = EMBEDDING[::-1] / np.linalg.norm(EMBEDDING[::-1], axis=1, keepdims=True)
    places = [divmod(int(index), K) for index in aim]
    expected = [
        row[place] for row, place in zip(leads(seen, units), places, strict=True)
    ]
    np.testing.assert_allclose(values, expected, rtol=1e-4, atol=1e-5)


def test_matching_aims_at_the_nearest_images_of_other_classes():
    seen = view("soft_triple")._replace(head=None)
    bank = RNG.normal(size=(20, D)).astype("float32")
    classes = np.arange(20) % C
    objective = attacks.FeatureMatching(bank, classes, neighbors=3)
    assert objective.aims == 3
    for number in range(3):
        aim = np.asarray(objective.aim(LABELS, seen, ops.convert_to_tensor(number)))
        values = np.asarray(objective(LABELS, seen, aim))
        for i, label in enumerate(LABELS):
            foreign = bank[classes != label]
            squared = np.sum((foreign - EMBEDDING[i]) ** 2, axis=1)
            order = np.argsort(squared)
            np.testing.assert_array_equal(aim[i], foreign[order[number]])
            assert values[i] == pytest.approx(-squared[order[number]], rel=1e-4)


def test_matching_with_few_images_takes_them_again():
    seen = view("soft_triple")
    bank = np.array([EMBEDDING[0], EMBEDDING[1]])
    objective = attacks.FeatureMatching(bank, [0, 1], neighbors=5)
    for number in range(5):
        aim = np.asarray(objective.aim(LABELS, seen, number))
        np.testing.assert_array_equal(aim[LABELS == 0], [bank[1]] * 3)
        np.testing.assert_array_equal(aim[LABELS == 1], [bank[0]] * 2)


@pytest.mark.parametrize("kind", [mpat.TripletHead, mpat.NPairHead])
def test_pair_heads_have_no_prototypes(kind):
    assert kind().prototype_directions() is None


@pytest.mark.parametrize(
    "objective",
    [
        attacks.SimilarityMargin(with_logits=True),
        attacks.UnnormalizedMargin(),
        attacks.TowardPrototype(3),
        attacks.FeatureMatching(EMBEDDING, LABELS, neighbors=2),
    ],
    ids=lambda objective: type(objective).__name__,
)
def test_config_round_trip(objective):
    config = keras.saving.serialize_keras_object(objective)
    again = keras.saving.deserialize_keras_object(config)
    assert again == objective and repr(again) == repr(objective)


def test_one_number_makes_another_bank():
    other = EMBEDDING.copy()
    other[3, 2] += 1e-6
    first = attacks.FeatureMatching(EMBEDDING, LABELS)
    second = attacks.FeatureMatching(other, LABELS)
    assert first != second and repr(first) != repr(second)
