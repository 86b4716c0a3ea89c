"""Maps of a latent space in two dimensions: t-SNE and principal components."""

from collections.abc import Mapping

import numpy as np

from keras_mpat.choices import check_choice
from keras_mpat.configurable import check_count, check_positive
from keras_mpat.evaluation.latent.inputs import checked_points
from keras_mpat.layers.prototypes import directions

METHODS = ("tsne", "pca")
_SHORTEST = 250  # iterations: those of t-SNE's early phase
_MANY = 5000  # points
_EQUAL = 1e-9  # between coordinates of points of length 1: rounding


def project(
    points: Mapping[str, np.ndarray],
    *,
    method: str = "tsne",
    perplexity: float = 15.0,
    learning_rate: float = 20.0,
    iterations: int = 5000,
    seed: int = 0,
) -> dict[str, np.ndarray]:
    """Puts several sets of embeddings on one map.

    They are projected together, so that their places can be compared; all of them are
    of length 1 first. t-SNE shows who is near whom; distances between clusters mean
    little. PCA shows the plane of the largest variance.

    Args:
        points: embeddings (N, D) by name, e.g. "clean", "adversarial", "prototypes".
        method: "tsne" (needs scikit-learn) or "pca".
        perplexity: of t-SNE, below the number of all points.
        learning_rate: of t-SNE, > 0.
        iterations: of t-SNE, >= 250.
        seed: of t-SNE.

    Returns:
        By name, float64 (N, 2); all zero where all embeddings point the same way.

    Raises:
        ValueError: embeddings that do not fit, or a number out of range.

    References:
        The defaults are those of Mao et al., "Metric Learning for Adversarial
        Robustness", Figures 1 and 2. Van der Maaten and Hinton, JMLR 9, 2008.
    """
    check_choice("method", method, METHODS)
    parts = _checked(points)
    joint = directions(np.concatenate(list(parts.values())))
    check_count("iterations", iterations, "5000 is the paper's.", minimum=_SHORTEST)
    check_count("seed", seed, "Pass seed=0.", minimum=0)
    check_positive("learning_rate", learning_rate, "a factor", "20 is the paper's.")
    check_positive("perplexity", perplexity, "neighbors", "15 is the paper's.")
    if method == "tsne" and perplexity >= len(joint):
        raise ValueError(
            f"`perplexity` must be below the number of points, {len(joint)}. Received: "
            f"perplexity={perplexity!r}. Pass more points, or a smaller number."
        )
    if np.max(np.ptp(joint, axis=0)) < _EQUAL:
        # A collapsed latent space: scikit-learn's t-SNE would take the process down.
        places = np.zeros((len(joint), 2))
    elif method == "pca":
        places = _principal(joint)
    else:
        places = _tsne(joint, perplexity, learning_rate, iterations, seed)
    ends = np.cumsum([len(part) for part in parts.values()])[:-1]
    return dict(zip(parts, np.split(places, ends), strict=True))


def _checked(points) -> dict[str, np.ndarray]:
    if not isinstance(points, Mapping) or not points:
        raise ValueError(
            "`points` must be a dict of embeddings by name. Received: "
            f"{type(points).__name__}. Pass {{'clean': found.clean}}."
        )
    parts: dict[str, np.ndarray] = {}
    for name, part in points.items():
        first = next(iter(parts.values()), None)
        parts[name] = checked_points(f"points.{name}", part, like=first)
    total, features = sum(map(len, parts.values())), next(iter(parts.values())).shape[1]
    if features < 2 or total < 3:
        raise ValueError(
            "`points` must be at least 3 embeddings of at least 2 columns. Received: "
            f"{total} of {features}. Draw a histogram of a single column instead."
        )
    return parts


def _principal(points: np.ndarray) -> np.ndarray:
    """The two first principal components; the largest weight of each is positive."""
    centered = points - points.mean(axis=0)
    _, axes = np.linalg.eigh(centered.T @ centered)
    axes = axes[:, [-1, -2]]
    largest = np.argmax(np.abs(axes), axis=0)
    return centered @ (axes * np.sign(axes[largest, [0, 1]]))


def _tsne(points, perplexity, learning_rate, iterations, seed) -> np.ndarray:
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    tsne = TSNE(
        perplexity=perplexity,
        learning_rate=learning_rate,
        max_iter=iterations,
        metric="cosine",
        init="pca",
        random_state=seed,
    )
    # Each of thousands of short steps waits for all threads: few points are faster
    # with one, and on a busy machine many times.
    with threadpool_limits(1 if len(points) < _MANY else None):
        return tsne.fit_transform(points).astype("float64")
