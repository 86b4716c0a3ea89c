"""`Detector`: how much an embedding looks like those of the training images.

    detector = Detector().fit(embeddings(model, x_train), y_train)
    detector.calibrate(embeddings(model, x_validation), fpr=0.05)
    rejected = detector.reject(embeddings(model, x_new))

The confidence of an example is the largest log density among the classes. A network
that errs often does so where its training images are rare.
"""

import os
from typing import Any

import keras
import numpy as np

from keras_mpat import files
from keras_mpat.choices import check_choice
from keras_mpat.configurable import check_not_negative, check_switch
from keras_mpat.evaluation.detection import gaussians
from keras_mpat.evaluation.detection.roc import threshold_at
from keras_mpat.evaluation.embeddings import as_array
from keras_mpat.input_checks import check_labels
from keras_mpat.learned import from_text, short_digest, to_text
from keras_mpat.losses.directions import unit


@keras.saving.register_keras_serializable("keras_mpat")
class Detector:
    """One Gaussian per class on clean training embeddings.

    Args:
        covariance: "full": one per class, C D² numbers; "tied": one for all classes;
            "diagonal": the variance of each feature, per class.
        ridge: >= 0; this share of the mean variance is added to each variance, so that
            fewer examples than features will do.
        normalize: whether embeddings are first divided by their length.

    Attributes:
        threshold: confidence below which `reject` says so; `None` before `calibrate`.

    Raises:
        ValueError: an unknown covariance, a ridge below 0, or a normalize that is no
            switch.

    References:
        Mao et al., "Metric Learning for Adversarial Robustness" (TLA), section 5.3,
        after Zheng and Hong (NeurIPS 2018). They do not say which covariance.
    """

    def __init__(
        self, covariance: str = "full", ridge: float = 1e-3, normalize: bool = True
    ):
        check_choice("covariance", covariance, gaussians.COVARIANCES)
        check_not_negative("ridge", ridge, "a share of the variance", "Pass 1e-3.")
        check_switch("normalize", normalize)
        self.covariance, self.ridge, self.normalize = covariance, ridge, normalize
        self.threshold: float | None = None
        self._fitted: gaussians.Gaussians | None = None

    def fit(self, embeddings, y) -> "Detector":
        """Fits the Gaussians; a threshold of before is forgotten.

        Args:
            embeddings: (N, D), finite: of clean training images.
            y: their classes, (N,), (N, 1) or one-hot, two examples of each at least.

        Returns:
            The detector itself.

        Raises:
            ValueError: arrays of another kind, a class of fewer than two examples, or a
                covariance without an inverse.
        """
        latent = self._rows(embeddings)
        y = _classes(y, len(latent))
        self._fitted = gaussians.fit(latent, y, self.covariance, self.ridge)
        self.threshold = None
        return self

    def log_densities(self, embeddings) -> np.ndarray:
        """log N(h; μ_c, Σ_c) of embeddings (N, D), float64 (N, C)."""
        fitted = self._known()
        latent = self._rows(embeddings, fitted.means.shape[1])
        return gaussians.log_densities(fitted, latent)

    def score(self, embeddings) -> np.ndarray:
        """Confidence, the largest log density of each: float64 (N,).

        Raises:
            ValueError: before `fit`, or of embeddings that do not fit.
        """
        return np.max(self.log_densities(embeddings), axis=1)

    def calibrate(self, embeddings, fpr: float = 0.05) -> "Detector":
        """Sets the threshold: at most a share of these good examples is rejected.

        Args:
            embeddings: (N, D) of clean images that are classified right, and were not
                fitted to.
            fpr: the share, in (0, 1).

        Returns:
            The detector itself.
        """
        self.threshold = threshold_at(self.score(embeddings), fpr)
        return self

    def reject(self, embeddings) -> np.ndarray:
        """Which of the embeddings (N, D) are not trusted, bool (N,).

        Raises:
            ValueError: before `calibrate`.
        """
        self._known()
        if self.threshold is None:
            raise ValueError(
                "`calibrate` must come before `reject`. Received: a Detector without "
                "a threshold. Call detector.calibrate(embeddings, fpr=0.05)."
            )
        return self.score(embeddings) < self.threshold

    def confidence(self, embeddings):
        """`score` in a graph: of a tensor (B, D), float32 (B,), with a gradient."""
        latent = unit(embeddings) if self.normalize else embeddings
        values = gaussians.graph_log_densities(self._known(), latent)
        return keras.ops.max(values, axis=-1)

    def save(self, path: str | os.PathLike) -> None:
        """Writes one .npz file, whole or not at all."""
        values = self._known()._asdict() | {
            "covariance": self.covariance,
            "ridge": self.ridge,
            "normalize": self.normalize,
            "threshold": np.nan if self.threshold is None else self.threshold,
        }
        with files.written(path, "wb") as file:
            np.savez(file, **values)

    @classmethod
    def load(cls, path: str | os.PathLike) -> "Detector":
        """Reads what `save` wrote; no pickle is opened."""
        with np.load(path, allow_pickle=False) as stored:
            values = dict(stored) if isinstance(stored, np.lib.npyio.NpzFile) else {}
        if "whiteners" not in values:
            raise ValueError(
                "`path` must be a file of Detector.save. Received: "
                f"{os.fspath(path)!r}, which holds {sorted(values)}. Fit one, and save "
                "it."
            )
        arrays = [values[name] for name in gaussians.Gaussians._fields]
        threshold = float(values["threshold"])
        options = {name: values[name].item() for name in _OPTIONS}
        detector = cls(**options)
        detector._fitted = gaussians.Gaussians(*arrays)
        detector.threshold = None if np.isnan(threshold) else threshold
        return detector

    def get_config(self) -> dict[str, Any]:
        """Arguments, threshold, and what was fitted, as text."""
        fitted = None if self._fitted is None else to_text(self._fitted)
        options = {name: getattr(self, name) for name in _OPTIONS}
        return options | {"threshold": self.threshold, "fitted": fitted}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Detector":
        """An equal detector, fitted if that one was."""
        detector = cls(**{name: config[name] for name in _OPTIONS})
        detector.threshold = config["threshold"]
        if config["fitted"] is not None:
            detector._fitted = gaussians.Gaussians(*from_text(config["fitted"]))
        return detector

    def __eq__(self, other: object) -> bool:
        """Equal arguments, Gaussians and threshold."""
        same = isinstance(other, Detector)
        return same and self.get_config() == other.get_config()  # type: ignore

    def __hash__(self) -> int:
        return hash(Detector)

    def __repr__(self) -> str:
        told = [f"{name}={getattr(self, name)!r}" for name in _OPTIONS]
        if self._fitted is not None:
            told.append(f"fitted {short_digest(self._fitted)}")
        return f"Detector({', '.join(told)})"

    @property
    def features(self) -> int:
        """D of the embeddings that it was fitted to."""
        return self._known().means.shape[1]

    def _known(self) -> gaussians.Gaussians:
        if self._fitted is None:
            raise ValueError(
                "`fit` must come first. Received: a Detector that has seen no "
                "embeddings. Call detector.fit(embeddings(model, x_train), y_train)."
            )
        return self._fitted

    def _rows(self, embeddings, size: int | None = None) -> np.ndarray:
        """Checked embeddings (N, D), of length 1 if so said."""
        latent = as_array(embeddings)
        _check_embeddings(latent, size)
        if not self.normalize:
            return latent
        length = np.linalg.norm(latent, axis=1, keepdims=True)
        return latent / np.maximum(length, 1e-12)


_OPTIONS = ("covariance", "ridge", "normalize")


def _check_embeddings(latent: np.ndarray, size: int | None) -> None:
    fits = latent.ndim == 2 and size in (None, latent.shape[1]) and latent.size
    if latent.dtype.kind not in "fiu" or not fits:
        raise ValueError(
            f"`embeddings` must be numbers of shape (N, {size or 'D'}). Received: "
            f"dtype {latent.dtype}, shape {latent.shape}. Pass "
            "evaluation.embeddings(model, x) of the model that was fitted to."
        )
    if not np.all(np.isfinite(latent)):
        rows = int(np.sum(~np.all(np.isfinite(latent), axis=1)))
        raise ValueError(
            "`embeddings` must be finite. Received: NaN or infinity in "
            f"{rows} of {len(latent)} examples. Check the model that they come from."
        )


def _classes(y, count: int) -> np.ndarray:
    """Checked classes (N,) with two examples each at least."""
    y = as_array(y)
    one_hot = y.ndim == 2 and y.shape[1] > 1
    known = y.dtype.kind in "iuf" and y.size and np.all(np.isfinite(y))
    highest = int(np.max(y)) + 1 if known and not one_hot else 2
    check_labels(y, y.shape[1] if one_hot else max(highest, 2), count)
    y = np.argmax(y, axis=1) if one_hot else y.reshape(-1).astype("int64")
    sizes = np.bincount(y)
    few = np.flatnonzero(sizes < 2)
    if len(few):
        raise ValueError(
            "`y` must hold at least two examples of each class. Received: "
            f"{sizes[few[0]]} of class {few[0]}. Pass more training images, or leave "
            "the class out and number the others from 0."
        )
    return y
