"""adversarial_ratio: the vector of the paper's definition, a double loop, geometry."""

import numpy as np
import pytest

from keras_mpat.evaluation import adversarial_ratio
from keras_mpat.evaluation.latent import ratio


def distance(a, b, absolute):
    lengths = np.linalg.norm(a) * np.linalg.norm(b)
    cosine = a @ b / lengths if lengths else 0.0
    return 1 - (abs(cosine) if absolute else cosine)


def oracle(clean, y, adversarial, group, kept, absolute):
    """(r_k) by the definition, Mao et al., section 5.2, pair by pair."""
    found = []
    for k in range(y.max() + 1):
        own, there = clean[y == k], adversarial[kept & (group == k)]
        pairs = [
            distance(own[i], own[j], absolute)
            for i in range(len(own))
            for j in range(i + 1, len(own))
        ]
        across = [distance(a, b, absolute) for a in there for b in own]
        empty = not pairs or not across
        found.append(np.nan if empty else np.mean(across) / np.mean(pairs))
    return np.array(found)


def test_a_computed_value():
    found = adversarial_ratio(
        [[1, 0], [1, 1], [0, 1], [-1, 1]],
        [0, 0, 1, 1],
        [[0, 1], [1, 1], [1, 0]],
        [0, 1, 1],
        adversarial_y=[1, 0, 0],
    ).false_class
    np.testing.assert_allclose(found.within, 1 - np.sqrt(0.5), atol=1e-12)
    np.testing.assert_allclose(found.to_class, 0.64644661, atol=1e-8)
    assert found.ratio == pytest.approx(2.20710678, abs=1e-8)
    assert found.counts.tolist() == [1, 2] and found.skipped == 0


@pytest.mark.parametrize("absolute", [True, False])
@pytest.mark.parametrize("sign", [0, 1])
def test_a_double_loop(monkeypatch, absolute, sign):
    monkeypatch.setattr(ratio, "_BLOCK", 7)
    rng = np.random.default_rng(2)
    clean, adversarial = rng.normal(size=(2, 60, 5)) + sign
    if sign:  # as after a ReLU
        clean, adversarial = np.maximum(clean, 0), np.maximum(adversarial, 0)
        clean[7] = 0
    y, predicted = rng.integers(0, 4, (2, 60))
    y[y == 3] = 0
    y[5] = 3  # a class of one clean example
    found = adversarial_ratio(clean, y, adversarial, predicted, absolute=absolute)
    wrong = y != predicted
    for part, group in ((found.false_class, predicted), (found.true_class, y)):
        expected = oracle(clean, y, adversarial, group, wrong, absolute)
        np.testing.assert_allclose(part.per_class, expected, rtol=1e-9)
        assert part.ratio == pytest.approx(np.nanmean(expected))
        assert part.skipped == 1 == part.to_dict()["per_class"].count(None)
        assert part.counts.sum() == wrong.sum()


def test_embeddings_after_a_relu_have_one_distance():
    rng = np.random.default_rng(3)
    clean, adversarial = rng.uniform(size=(2, 40, 6))
    y, predicted = rng.integers(0, 2, (2, 40))
    both = [
        adversarial_ratio(clean, y, adversarial, predicted, absolute=absolute)
        for absolute in (True, False)
    ]
    assert both[0].to_dict() == both[1].to_dict()


def test_length_does_not_matter_and_clusters_do():
    rng = np.random.default_rng(4)
    centers, y = np.eye(3) * 5, np.arange(90) % 3
    clean = centers[y] + rng.normal(size=(90, 3))
    near, far = (y + 1) % 3, y
    predicted = (y + 1) % 3
    crossed, stayed = (
        adversarial_ratio(
            clean * rng.uniform(0.5, 2, (90, 1)), y, clean[group], predicted
        )
        for group in (near, far)
    )
    # Rows 0, 1, 2 are one of each class: those that lie in the false class, or in
    # their own.
    assert crossed.false_class.ratio < 1.5 < 5 < crossed.true_class.ratio
    assert stayed.true_class.ratio < 1.5 < 5 < stayed.false_class.ratio


def test_classes_without_a_ratio_are_counted():
    clean = np.array([[1.0, 0], [0, 1], [2, 2], [1, 1], [1, 0]])
    y = [0, 0, 1, 1, 2]  # class 1 lies in one direction, class 2 has one example
    found = adversarial_ratio(
        clean, y, clean, [1, 2, 0, 0, 2], num_classes=5
    ).false_class
    assert found.skipped == 4 and found.counts.tolist() == [2, 1, 1, 0, 0]
    assert np.isfinite(found.ratio)
    none = adversarial_ratio(clean, y, clean, y)
    assert np.isnan(none.false_class.ratio) and none.true_class.skipped == 3
    assert none.to_dict()["false_class"]["ratio"] is None
