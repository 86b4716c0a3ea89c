"""project, confusion and accuracies by group."""

import numpy as np
import pytest

import keras_mpat as mpat
from keras_mpat import evaluation
from keras_mpat.evaluation import LatentSet
from tests import toy


def clusters(size, seed=0):
    """Points of three far directions in 5 dimensions, of any length."""
    rng = np.random.default_rng(seed)
    groups = np.arange(size) % 3
    found = 4 * np.eye(5)[groups] + 0.3 * rng.normal(size=(size, 5))
    return found * rng.uniform(0.5, 3, (size, 1)), groups


def test_principal_components_are_those_of_unit_vectors():
    x, _ = clusters(40)
    places = evaluation.project({"a": x[:30], "b": x[30:]}, method="pca")
    assert {name: part.shape for name, part in places.items()} == {
        "a": (30, 2),
        "b": (10, 2),
    }
    joint = np.concatenate([places["a"], places["b"]])
    units = x / np.linalg.norm(x, axis=1, keepdims=True)
    centered = units - units.mean(axis=0)
    left, singular, axes = np.linalg.svd(centered, full_matrices=False)
    expected = (left * singular)[:, :2]
    np.testing.assert_allclose(np.abs(joint), np.abs(expected), atol=1e-9)
    # The sign is that of the largest weight, whichever the decomposition returns.
    turned = np.sign(
        np.take_along_axis(axes[:2], np.abs(axes[:2]).argmax(1)[:, None], 1)
    )
    np.testing.assert_allclose(joint, expected * turned[:, 0], atol=1e-9)


def test_tsne_keeps_neighbors_and_its_seed():
    x, groups = clusters(60)
    options = {"iterations": 300, "perplexity": 5, "seed": 1}
    first, again = (
        evaluation.project({"x": 7 * x, "prototypes": np.eye(5)[:3]}, **options)
        for _ in range(2)
    )
    np.testing.assert_array_equal(first["x"], again["x"])
    distances = np.linalg.norm(first["x"][:, None] - first["prototypes"], axis=2)
    np.testing.assert_array_equal(distances.argmin(axis=1), groups)


def test_tsne_is_asked_for_the_settings_of_the_paper(monkeypatch):
    import sklearn.manifold

    seen, real = {}, sklearn.manifold.TSNE

    def recorded(**options):
        seen.update(options)
        return real(**options | {"max_iter": 250})

    monkeypatch.setattr(sklearn.manifold, "TSNE", recorded)
    evaluation.project({"x": clusters(30)[0]})
    assert seen | {"init": "pca", "random_state": 0} == seen
    wanted = {"perplexity": 15, "learning_rate": 20, "metric": "cosine"}
    assert seen | wanted | {"max_iter": 5000} == seen


def test_confusion_counts():
    found = evaluation.confusion([0, 0, 2, 2, 2], [0, 1, 2, 0, 2], 4)
    assert found.tolist() == [[1, 1, 0, 0], [0] * 4, [1, 0, 2, 0], [0] * 4]


def latent(**options):
    return LatentSet(
        clean=np.ones((6, 2)),
        adversarial=np.ones((6, 2)),
        y=[0, 0, 0, 2, 2, 2],
        clean_predicted=[0, 0, 1, 2, 2, 1],
        adversarial_predicted=[0, 1, 0, 2, 0, 2],
        num_classes=3,
        **options,
    )


def test_accuracies_by_class_and_mode():
    found = latent(modes=[0, 1, 1, 5, 5, 5])
    classes = evaluation.class_accuracies(found)
    assert classes.groups.tolist() == [0, 2] and classes.counts.tolist() == [3, 3]
    assert classes.clean.tolist() == [2, 2] and classes.robust.tolist() == [1, 1]
    modes = evaluation.mode_accuracies(found)
    assert modes.to_dict() == {
        "groups": [0, 1, 5],
        "counts": [1, 2, 3],
        "clean": [1, 1, 2],
        "robust": [1, 0, 1],
        "clean_accuracy": [1.0, 0.5, 2 / 3],
        "robust_accuracy": [1.0, 0.0, 1 / 3],
    }
    table = evaluation.accuracy_table(classes, names=["a", "b", "c"], title="animal")
    assert table.splitlines()[0] == "| animal | examples | clean | under attack |"
    assert "| c | 3 | 66.67 (" in table and "| b |" not in table
    assert found.to_dict()["robust_accuracy"] == pytest.approx(1 / 3)


def test_prototypes_that_are_in_use():
    model = toy.model(mpat.training.StandardTraining(), head=toy.head())
    model.head.active.assign([[1, 0, 1], [0, 1, 0]])
    points, classes = evaluation.prototype_points(model)
    assert classes.tolist() == [0, 0, 1]
    weights = toy.values([model.head.prototypes])[0][[0, 0, 1], [0, 2, 1]]
    expected = weights / np.linalg.norm(weights, axis=1, keepdims=True)
    np.testing.assert_allclose(points, expected, rtol=1e-6)


@pytest.mark.parametrize("method", ["tsne", "pca"])
@pytest.mark.parametrize("points", [np.zeros((9, 4)), np.outer(range(1, 10), [3, 1])])
def test_a_collapsed_latent_space_is_one_place(method, points):
    options = {"method": method, "perplexity": 3, "iterations": 250}
    places = evaluation.project({"clean": points}, **options)
    assert np.array_equal(places["clean"], np.zeros((9, 2)))
