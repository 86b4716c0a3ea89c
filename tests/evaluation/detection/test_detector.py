"""Detector: densities against closed forms and scikit-learn, files, thresholds."""

import warnings

import keras
import numpy as np
import pytest
from keras import ops

from keras_mpat import backend
from keras_mpat.evaluation import Detector
from keras_mpat.evaluation.detection import gaussians

KINDS = ("full", "tied", "diagonal")
# Mean 0, variances 1 and 4; likewise around (10, 10).
CORNERS = np.array([[1.0, 2], [1, -2], [-1, 2], [-1, -2]])
PLAIN = {"normalize": False}


def clouds(seed=0, n=400, classes=3, size=5, dtype="float64"):
    """Embeddings of classes with covariances of their own, and the classes."""
    rng = np.random.default_rng(seed)
    y = rng.integers(classes, size=n)
    mix = rng.normal(size=(classes, size, size))
    points = np.einsum("nd,nde->ne", rng.normal(size=(n, size)), mix[y])
    return (points + 2 * rng.normal(size=(classes, size))[y]).astype(dtype), y


@pytest.mark.parametrize("covariance", KINDS)
def test_the_density_of_a_known_gaussian(covariance):
    embeddings = np.concatenate([CORNERS, CORNERS + 10])
    y = np.repeat([0, 1], 4)
    detector = Detector(covariance, ridge=0.0, **PLAIN).fit(embeddings, y)
    expected = -np.log(2 * np.pi) - np.log(2) - 1  # at (1, 2) of N(0, diag(1, 4))
    assert expected == pytest.approx(-3.53102425, abs=1e-8)
    values = detector.log_densities([[1.0, 2], [11, 12], [0, 0]])
    np.testing.assert_allclose(values[0, 0], expected, rtol=1e-12)
    np.testing.assert_allclose(values[1, 1], expected, rtol=1e-12)
    far = expected + 1 - (121 / 1 + 144 / 4) / 2  # of (11, 12) from 0
    np.testing.assert_allclose(values[1, 0], far, rtol=1e-12)
    np.testing.assert_allclose(
        detector.score([[1.0, 2], [0, 0]]), [expected, expected + 1], rtol=1e-12
    )


@pytest.mark.parametrize("covariance", KINDS)
@pytest.mark.parametrize("ridge", [0.0, 0.3])
def test_densities_equal_those_of_scipy(covariance, ridge):
    from scipy.stats import multivariate_normal

    embeddings, y = clouds()
    found = Detector(covariance, ridge, **PLAIN).fit(embeddings, y)
    values = found.log_densities(embeddings)
    own = [embeddings[y == c] for c in range(3)]
    sigmas = [np.cov(rows, rowvar=False, bias=True) for rows in own]
    if covariance == "tied":
        sizes = np.array([len(rows) for rows in own])
        sigmas = [np.average(sigmas, axis=0, weights=sizes)] * 3
    for c, sigma in enumerate(sigmas):
        if covariance == "diagonal":
            sigma = np.diag(np.diagonal(sigma))
        sigma = sigma + ridge * np.trace(sigma) / 5 * np.eye(5)
        density = multivariate_normal(own[c].mean(axis=0), sigma)
        np.testing.assert_allclose(values[:, c], density.logpdf(embeddings))


@pytest.mark.parametrize("covariance", KINDS)
def test_blocks_change_nothing(covariance, monkeypatch):
    embeddings, y = clouds(n=100)
    whole = Detector(covariance).fit(embeddings, y).log_densities(embeddings)
    monkeypatch.setattr(gaussians, "_ROWS", 7)
    parts = Detector(covariance).fit(embeddings, y).log_densities(embeddings)
    np.testing.assert_allclose(parts, whole, rtol=1e-9)


@pytest.mark.parametrize("covariance", KINDS)
def test_fewer_examples_than_features(covariance):
    rng = np.random.default_rng(1)
    y = np.repeat([0, 1], 4)
    embeddings = rng.normal(size=(8, 40)) + 3 * y[:, None]
    detector = Detector(covariance, **PLAIN).fit(embeddings, y)
    new = rng.normal(size=(20, 40))
    assert np.all(np.isfinite(detector.log_densities(new)))
    near = detector.score(embeddings + 0.01 * rng.normal(size=(8, 40)))
    assert near.min() > detector.score(new).max()


def test_normalized_embeddings_do_not_know_their_length():
    embeddings, y = clouds()
    detector = Detector().fit(embeddings, y)
    stretched = embeddings * np.linspace(0.1, 9, len(y))[:, None]
    np.testing.assert_allclose(
        detector.score(stretched), detector.score(embeddings), rtol=1e-6
    )
    lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
    plain = Detector(**PLAIN).fit(embeddings / lengths, y)
    np.testing.assert_allclose(
        plain.score(embeddings / lengths), detector.score(embeddings)
    )
    assert np.isfinite(detector.score(np.zeros((1, 5)))).all()


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("covariance", KINDS)
def test_the_confidence_of_a_graph_is_the_score_and_has_its_gradient(
    covariance, normalize
):
    embeddings, y = clouds(dtype="float32")
    detector = Detector(covariance, normalize=normalize).fit(embeddings, y)

    def gradient(latent):
        def goal(z):
            value = detector.confidence(z)
            return value, value

        return backend.input_gradient(goal, latent)[:2]

    some = ops.convert_to_tensor(embeddings[:20])
    found, values = map(ops.convert_to_numpy, backend.function(gradient)(some))
    np.testing.assert_allclose(values, detector.score(embeddings[:20]), rtol=1e-3)
    step = 1e-4 * np.eye(5)
    around = embeddings[:20, None].astype("float64") + step
    before = embeddings[:20, None].astype("float64") - step
    rise = detector.score(around.reshape(-1, 5)) - detector.score(before.reshape(-1, 5))
    rise = rise.reshape(20, 5) / 2e-4
    np.testing.assert_allclose(found, rise, rtol=2e-2, atol=2e-3 * np.abs(rise).max())


@pytest.mark.parametrize("covariance", KINDS)
def test_files_and_configs_keep_every_number(covariance, tmp_path):
    embeddings, y = clouds()
    detector = Detector(covariance, 0.01, normalize=False).fit(embeddings, y)
    path = tmp_path / "detector.npz"
    for threshold in (None, -7.25):
        detector.threshold = threshold
        detector.save(path)
        config = keras.saving.serialize_keras_object(detector)
        for other in (
            Detector.load(path),
            keras.saving.deserialize_keras_object(config),
        ):
            assert other == detector
            assert other.threshold == threshold
            assert repr(other) == repr(detector)
            np.testing.assert_array_equal(
                other.score(embeddings), detector.score(embeddings)
            )
    assert [entry.name for entry in tmp_path.iterdir()] == ["detector.npz"]
    assert Detector().get_config()["fitted"] is None
    assert Detector.from_config(Detector(ridge=0.5).get_config()).ridge == 0.5


def test_other_numbers_are_another_detector():
    first = Detector().fit(*clouds())
    second = Detector().fit(*clouds(seed=1))
    assert first != second and repr(first) != repr(second)
    assert first == Detector().fit(*clouds())
    assert first != "a detector" and Detector() != Detector("tied")


@pytest.mark.parametrize("fpr", [0.05, 0.2, 0.9])
def test_at_most_that_share_of_good_examples_is_rejected(fpr):
    embeddings, y = clouds()
    detector = Detector().fit(embeddings, y).calibrate(embeddings, fpr=fpr)
    share = detector.reject(embeddings).mean()
    assert fpr - 1 / len(y) <= share <= fpr
    outside = np.random.default_rng(3).normal(size=(50, 5))
    np.testing.assert_array_equal(
        detector.reject(outside), detector.score(outside) < detector.threshold
    )
    assert Detector().fit(embeddings, y).threshold is None
    assert detector.fit(embeddings, y).threshold is None


def test_a_file_with_a_pickle_or_without_gaussians_is_refused(tmp_path):
    path = tmp_path / "other.npz"
    np.savez(path, whiteners=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle"):
        Detector.load(path)
    np.savez(path, x=np.zeros(3))
    with pytest.raises(ValueError, match=r"`path` must be .* holds \['x'\]"):
        Detector.load(path)


@pytest.mark.parametrize("covariance", KINDS)
def test_what_cannot_be_fitted_is_named(covariance):
    embeddings, y = clouds(n=60)
    few = y.copy()
    few[few == 1] = 0
    few[7] = 1
    with pytest.raises(ValueError, match="Received: 1 of class 1"):
        Detector(covariance).fit(embeddings, few)
    with pytest.raises(ValueError, match="Received: 0 of class 1"):
        Detector(covariance).fit(embeddings, 2 * (few == 0))
    equal = np.ones((60, 5)) * (1 + y[:, None])
    whose = "all classes" if covariance == "tied" else "class 0"
    with pytest.raises(ValueError, match=f"equal ones in {whose}"):
        Detector(covariance, **PLAIN).fit(equal, y)
    flat = embeddings.copy()
    flat[:, 2] = 3.0  # a dead feature
    with pytest.raises(ValueError, match=f"`ridge` must .* of {whose}"):
        Detector(covariance, ridge=0.0, **PLAIN).fit(flat, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Detector(covariance, **PLAIN).fit(flat, y)


@pytest.mark.parametrize(
    "labels", [["a"] * 4, [0, 0, 1, np.nan], [[0, 1]] * 4, [-1, -1, 0, 0], [0, 0]]
)
def test_labels_that_are_no_classes_are_named(labels):
    with pytest.raises(ValueError, match="`y` must"):
        Detector(**PLAIN).fit(CORNERS, labels)
