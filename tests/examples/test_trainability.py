"""examples/trainability.py: its map, cosine logits, and a training at one point."""

import json
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import trainability
from modes_plan import PLAN


def given(tmp_path, **changed):
    values = {
        "dataset": "digits_2",
        "train_examples": 256,
        "epochs": 1,
        "seeds": 1,
        "filters": [2, 4],
        "units": 8,
        "results": tmp_path / "results",
        "data_dir": None,
        "minutes": 1e9,
        "parts": 1,
        "part": 0,
    }
    return SimpleNamespace(**values | changed)


def test_the_plan_is_what_is_run():
    plan = json.loads(PLAN.read_text())["trainability"]
    assert plan["epsilon"] == list(trainability.EPSILONS)
    assert plan["learning_rate"] == list(trainability.RATES)
    assert plan["seeds"] == list(trainability.SEEDS)
    assert plan["left"] == trainability.LEFT


def test_cosine_logits_forget_the_length_of_embeddings():
    keras.utils.set_random_seed(0)
    net = trainability.classifier(True, (28, 28, 1), (2, 4), 8)
    x = np.random.default_rng(0).random((5, 28, 28, 1), "float32")
    norm = [a for a in net.layers if isinstance(a, keras.layers.BatchNormalization)][-1]
    dense = net.layers[-2]
    dense.kernel.assign(dense.kernel_constraint(3 * dense.kernel))
    logits = np.asarray(net(x))
    assert logits.shape == (5, 2)
    assert np.abs(logits).max() <= trainability.SCALE * 1.0001
    norm.gamma.assign(2 * norm.gamma)  # an embedding of twice the length
    np.testing.assert_allclose(net(x), logits, rtol=1e-4, atol=1e-5)


def test_a_point_counts_the_seeds_that_learned(tmp_path, monkeypatch):
    def outcome(way, epsilon, rate, seed, data, given):
        learned = epsilon < 0.25 and (seed or way == "+ warm-up")
        return [0.9, 0.7 + seed / 10] if learned else [0.5, 0.5]

    monkeypatch.setattr(trainability, "train", outcome)
    monkeypatch.setattr(trainability, "_arrays", lambda given: [1, 2])
    text = trainability.compare(given(tmp_path, seeds=2))
    assert "| 0.1 | 1 of 2 (80) |" in text and "| 0.4 | 0 of 2 |" in text
    assert "| 0.2 | 2 of 2 (75) |" in text
    assert (tmp_path / "results/table.md").read_text() == text
    assert (tmp_path / "results/map.png").stat().st_size > 5000
    assert len(list((tmp_path / "results/cells").iterdir())) == 5 * 16
    again = given(tmp_path, seeds=2, minutes=0.0)
    assert trainability.compare(again) == text
    with pytest.raises(ValueError, match="seeds differ"):
        trainability.compare(given(tmp_path, seeds=1))


def test_data_of_many_classes_is_refused(tmp_path):
    with pytest.raises(ValueError, match="`dataset` must have two.*digits.*mnist_2"):
        trainability.compare(given(tmp_path, dataset="digits"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("way", ["+ SoftTriple, K = 5", "+ cosine logits"])
def test_a_training_at_a_point(tmp_path, way):
    sizes = given(tmp_path)
    data = trainability._arrays(sizes)
    first = trainability.train(way, 0.1, 0.1, 0, data, sizes)
    assert len(first) == 2 and all(0 <= value <= 1 for value in first)
    assert first[1] <= first[0]
