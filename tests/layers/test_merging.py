"""Merging of prototypes: published vectors, a slow oracle, what must not change."""

import numpy as np
import pytest
from keras import ops

import keras_mpat as mpat
from keras_mpat.layers.merging import merge_prototypes


def circle(*degrees):
    """Unit vectors (K, 2) at these angles."""
    angles = np.deg2rad(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=-1)


def merge(prototypes, threshold=0.2, active=None, counts=None, **kwargs):
    prototypes = np.asarray(prototypes, "float32")
    active = np.ones(prototypes.shape[:2]) if active is None else np.array(active)
    counts = active if counts is None else np.array(counts)
    before = [given.copy() for given in (prototypes, active, counts)]
    merged = merge_prototypes(prototypes, active, counts, threshold=threshold, **kwargs)
    for given, old in zip((prototypes, active, counts), before, strict=True):
        np.testing.assert_array_equal(given, old)  # arguments are not changed
    return merged


def test_vector_f_two_survivors():
    merged = merge([circle(0, 5, 90, 95)], threshold=0.1)
    np.testing.assert_array_equal(merged.active, [[1, 0, 1, 0]])
    np.testing.assert_array_equal(merged.counts, [[2, 0, 2, 0]])
    np.testing.assert_allclose(
        merged.prototypes[0, [0, 2]],
        [[0.99904822, 0.04361939], [-0.04361939, 0.99904822]],
        rtol=1e-6,
    )
    assert [m[:3] for m in merged.merges] == [(0, 0, 1), (0, 2, 3)]
    for one in merged.merges:
        assert one.distance == pytest.approx(0.08723877, rel=1e-6)


def test_vector_f_nothing_is_close_enough():
    prototypes = circle(0, 5, 90, 95)
    merged = merge([prototypes], threshold=0.05)
    assert not merged.merges and merged.active.sum() == 4
    np.testing.assert_allclose(merged.prototypes[0], prototypes, rtol=1e-6)


def test_a_distance_of_exactly_the_threshold_does_not_merge():
    right_angle = merge([[[3, 0], [0, 2]]], threshold=np.sqrt(2))
    assert not right_angle.merges
    assert merge([[[3, 0], [0, 2]]], threshold=np.sqrt(2) + 1e-9).merges


def test_threshold_zero_merges_nothing_and_two_all_but_opposites():
    assert not merge([circle(10, 10, 20)], threshold=0).merges
    assert len(merge([circle(0, 60, 120, 170)], threshold=2).merges) == 3
    assert not merge([circle(0, 180)], threshold=2).merges


def test_survivor_is_the_lower_slot_with_the_mean_length_and_the_counted_direction():
    lengths = np.array([4.0, 1.0, 2.0])
    prototypes = circle(90, 0, 8) * lengths[:, None]
    merged = merge([prototypes], counts=[[1, 3, 1]])
    assert merged.merges[0][:3] == (0, 1, 2)
    survivor = merged.prototypes[0, 1]
    direction = 3 * circle(0)[0] + circle(8)[0]
    direction /= np.linalg.norm(direction)
    np.testing.assert_allclose(survivor, 1.5 * direction, rtol=1e-6)
    np.testing.assert_array_equal(merged.counts, [[1, 4, 0]])
    # The absorbed one stays where it was: it is masked, not removed.
    np.testing.assert_allclose(merged.prototypes[0, 2], prototypes[2], rtol=1e-6)


def test_closest_pairs_of_all_classes_come_first_up_to_the_limit():
    prototypes = [circle(0, 8, 90, 96), circle(0, 4, 90, 100)]
    merged = merge(prototypes, max_merges=2)
    assert [m[:3] for m in merged.merges] == [(1, 0, 1), (0, 2, 3)]
    np.testing.assert_array_equal(merged.active.sum(-1), [3, 3])


def test_a_class_keeps_its_minimum():
    prototypes = [circle(0, 1, 2, 3), circle(0, 1, 2, 3)]
    active = [[1, 1, 1, 1], [1, 1, 0, 0]]
    merged = merge(prototypes, active=active, min_prototypes=2)
    np.testing.assert_array_equal(merged.active.sum(-1), [2, 2])
    assert merge(prototypes, active=active).active.sum() == 2


def test_inactive_prototypes_do_not_merge():
    active = [[1, 0, 1, 0]]
    merged = merge([circle(0, 1, 90, 91)], active=active)
    assert not merged.merges
    np.testing.assert_array_equal(merged.active, active)


def test_classes_do_not_merge_with_each_other():
    assert not merge([circle(0, 90), circle(1, 91)]).merges


def slow_merge(prototypes, threshold, minimum):
    """The same for one class, with lists: members and lengths instead of a mask."""
    unit = prototypes / np.linalg.norm(prototypes, axis=1, keepdims=True)
    groups = [(unit[k], np.linalg.norm(prototypes[k]), 1) for k in range(len(unit))]
    while len(groups) > minimum:
        pairs = [(s, t) for t in range(len(groups)) for s in range(t)]
        gaps = [np.linalg.norm(groups[s][0] - groups[t][0]) for s, t in pairs]
        if min(gaps) >= threshold:
            break
        s, t = pairs[int(np.argmin(gaps))]
        (u, a, n), (v, b, m) = groups[s], groups.pop(t)
        mean = n * u + m * v
        groups[s] = (mean / np.linalg.norm(mean), (a + b) / 2, n + m)
    return groups


@pytest.mark.parametrize("threshold", [0.3, 0.8, 1.4])
@pytest.mark.parametrize("minimum", [1, 3])
def test_matches_a_slow_oracle(threshold, minimum):
    rng = np.random.default_rng(7)
    prototypes = rng.normal(size=(3, 9, 3))
    merged = merge(prototypes, threshold, min_prototypes=minimum)
    prototypes = prototypes.astype("float32").astype("float64")
    total = 0
    for j in range(3):
        groups = slow_merge(prototypes[j], threshold, minimum)
        total += 9 - len(groups)
        own = merged.active[j] > 0
        expected = [length * unit for unit, length, _ in groups]
        np.testing.assert_allclose(merged.prototypes[j, own], expected, rtol=1e-9)
        np.testing.assert_array_equal(merged.counts[j, own], [g[2] for g in groups])
        assert merged.counts[j].sum() == 9
    assert total == len(merged.merges) > 0


def head_with(merged):
    head = mpat.SoftTripleHead(2, prototypes_per_class=5, multiplicity=True)
    head.build((None, 4))
    for name in ("prototypes", "active", "counts"):
        getattr(head, name).assign(np.asarray(getattr(merged, name), "float32"))
    return head


def test_merging_duplicates_leaves_the_logits_unchanged_with_multiplicity():
    rng = np.random.default_rng(3)
    prototypes = rng.normal(size=(2, 5, 4)).astype("float32")
    prototypes[0, 3:] = 2.0 * prototypes[0, 1]  # another length, the same direction
    prototypes[1, 4] = prototypes[1, 0]
    x = ops.convert_to_tensor(rng.normal(size=(8, 4)).astype("float32"))
    untouched = merge(prototypes, threshold=0)
    merged = merge(prototypes, threshold=1e-2)
    np.testing.assert_array_equal(merged.active.sum(-1), [3, 4])
    before, after = (head_with(state) for state in (untouched, merged))
    logits = [ops.convert_to_numpy(head.logits(x)) for head in (before, after)]
    np.testing.assert_allclose(logits[1], logits[0], rtol=1e-5, atol=1e-5)
    after.multiplicity = False
    without = ops.convert_to_numpy(after.logits(x))
    assert np.abs(without - logits[0]).max() > 0.01
