"""`compact` and `assign` of SoftTripleHead: which prototypes are left, and nearest."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_mpat as mpat
from keras_mpat.layers import prototypes as module

RNG = np.random.default_rng(5)
PROTOTYPES = RNG.normal(size=(3, 4, 6)).astype("float32")
ACTIVE = np.array([[1, 0, 1, 0], [0, 0, 0, 1], [1, 1, 1, 1]], "float32")
COUNTS = np.array([[3, 0, 1, 0], [0, 0, 0, 4], [1, 1, 1, 1]], "float32")
EMBEDDINGS = RNG.normal(size=(40, 6)).astype("float32")
LABELS = np.arange(40) % 3


def head():
    built = mpat.SoftTripleHead(3, prototypes_per_class=4)
    built.build((None, 6))
    built.built = True
    built.prototypes.assign(PROTOTYPES)
    built.active.assign(ACTIVE)
    built.counts.assign(COUNTS)
    return built


def test_compact_lists_the_active_prototypes_of_each_class():
    left = head().compact()
    assert [list(slots) for slots in left.slots] == [[0, 2], [3], [0, 1, 2, 3]]
    assert [list(counts) for counts in left.counts] == [[3, 1], [4], [1, 1, 1, 1]]
    for j, (units, slots) in enumerate(zip(left.prototypes, left.slots, strict=True)):
        own = PROTOTYPES[j, slots]
        expected = own / np.linalg.norm(own, axis=-1, keepdims=True)
        np.testing.assert_allclose(units, expected, rtol=1e-6)
    assert all(counts.dtype.kind == "i" for counts in left.counts)


def slow_assign(embedding, classes):
    best, place = -2.0, None
    for c in classes:
        for k in range(4):
            w = PROTOTYPES[c, k].astype("float64")
            cosine = w @ embedding / np.linalg.norm(w) / np.linalg.norm(embedding)
            if ACTIVE[c, k] and cosine > best:
                best, place = cosine, (c, k)
    return place


@pytest.mark.parametrize("chunk", [7, 4096])
def test_assign_is_the_active_prototype_with_the_largest_cosine(chunk, monkeypatch):
    monkeypatch.setattr(module, "_CHUNK", chunk)
    classes, slots = head().assign(EMBEDDINGS)
    expected = [slow_assign(row, range(3)) for row in EMBEDDINGS]
    assert list(zip(classes, slots, strict=True)) == expected
    assert classes.dtype == slots.dtype == np.int32
    assert len(set(expected)) >= 6


@pytest.mark.parametrize(
    "form",
    [LABELS, LABELS[:, None], np.eye(3)[LABELS], LABELS.astype("float32")],
    ids=["numbers", "column", "one-hot", "float"],
)
def test_assign_with_labels_looks_at_the_own_class_only(form):
    classes, slots = head().assign(EMBEDDINGS, form)
    np.testing.assert_array_equal(classes, LABELS)
    rows = zip(EMBEDDINGS, LABELS, strict=True)
    assert [slow_assign(row, [c])[1] for row, c in rows] == list(slots)


def test_assign_takes_tensors_none_at_all_and_any_length():
    classes, slots = head().assign(EMBEDDINGS)
    tensor = ops.convert_to_tensor(EMBEDDINGS * 1e3)
    for found, expected in zip(head().assign(tensor), (classes, slots), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert [len(part) for part in head().assign(EMBEDDINGS[:0])] == [0, 0]


def test_assign_follows_the_logits_of_single_mode_heads():
    single = mpat.SoftTripleHead(3, prototypes_per_class=1)
    logits = ops.convert_to_numpy(single(EMBEDDINGS))
    classes, slots = single.assign(EMBEDDINGS)
    np.testing.assert_array_equal(classes, logits.argmax(-1))
    assert not slots.any()


WRONG = {
    "one embedding": ((EMBEDDINGS[0],), r"`embeddings` must have the shape \(N, 6\)"),
    "other features": ((EMBEDDINGS[:, :5],), "`embeddings` must have the shape"),
    "nan": ((EMBEDDINGS * np.nan,), "`embeddings` must be finite"),
    "fewer labels": ((EMBEDDINGS, LABELS[:5]), "`labels` must hold one label"),
    "other classes": ((EMBEDDINGS, LABELS + 1), "`labels` must hold the classes 0 … 2"),
    "two columns": ((EMBEDDINGS, np.eye(2)[LABELS % 2]), "`labels` must be labels"),
}


@pytest.mark.parametrize("arguments, message", WRONG.values(), ids=WRONG.keys())
def test_what_does_not_fit_is_named(arguments, message):
    with pytest.raises(ValueError, match=f"^{message}.* Received: "):
        head().assign(*arguments)


@pytest.mark.parametrize("ask", ["compact", "assign"])
def test_an_unbuilt_head_has_no_prototypes(ask):
    arguments = [EMBEDDINGS] if ask == "assign" else []
    with pytest.raises(ValueError, match="^`head` must be built .* Received: "):
        getattr(mpat.SoftTripleHead(3), ask)(*arguments)


def test_counts_and_multiplicity_are_saved_and_loaded(tmp_path):
    net = [
        keras.Input((6,)),
        mpat.SoftTripleHead(3, prototypes_per_class=4, multiplicity=True),
    ]
    model = keras.Sequential(net)
    for name, value in (("active", ACTIVE), ("counts", COUNTS)):
        getattr(model.layers[-1], name).assign(value)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for name, value in (("active", ACTIVE), ("counts", COUNTS)):
        found = getattr(loaded.layers[-1], name)
        np.testing.assert_array_equal(ops.convert_to_numpy(found.value), value)
    np.testing.assert_allclose(
        ops.convert_to_numpy(loaded(EMBEDDINGS)),
        ops.convert_to_numpy(model(EMBEDDINGS)),
        rtol=1e-6,
    )
