"""What a report computes on data: one attack, and what follows from its examples.

Everything is computed when a section asks for it, once; the attacks keep their work
in the run directory, so that a report that was interrupted goes on.
"""

import hashlib
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from keras_mpat import attacks
from keras_mpat.evaluation.embeddings import outputs
from keras_mpat.evaluation.latent import (
    AdversarialRatio,
    LatentSet,
    Retrieval,
    adversarial_ratio,
    knn_accuracy,
    latent_set,
    project,
    retrieve,
)
from keras_mpat.evaluation.loading import load_classifier, training_model
from keras_mpat.evaluation.prototypes import prototype_points
from keras_mpat.evaluation.reporting.data import ReportData
from keras_mpat.layers import SoftTripleHead
from keras_mpat.models.embedding import feature_model
from keras_mpat.threat_models import ThreatModel

NEIGHBORS = 50  # TLA, Table 3
RETRIEVED = 4  # Figure 4 of both papers
MAPPED = 500  # test images on the map, each clean and attacked
_STEPS = 20


@dataclass(frozen=True, eq=False)
class Findings:
    """One run's model on the data.

    Args:
        folder: the run directory.
        model_path: its model.
        data: the images.
        threat_model: of the attack.
        batch_size, seed, verbose: as in `evaluate_robustness`.
    """

    folder: Path
    model_path: Path
    data: ReportData
    threat_model: ThreatModel
    _: KW_ONLY
    batch_size: int = 128
    seed: int = 0
    verbose: bool = True

    @cached_property
    def model(self):
        """The training model, or the plain classifier."""
        return training_model(self.model_path) or load_classifier(self.model_path)

    @property
    def attack(self) -> attacks.PGD:
        """The attack whose examples are analyzed."""
        return attacks.PGD(self.threat_model, steps=_STEPS)

    @cached_property
    def latent(self) -> LatentSet:
        """All test images, clean and attacked."""
        return self.attacked(self.attack, slice(None))

    @cached_property
    def pictures(self) -> np.ndarray:
        """The first adversarial images, to be shown."""
        found = self.attacked(self.attack, slice(MAPPED), keep_examples=True)
        return found.examples

    def attacked(self, attack, rows: slice, **options: Any) -> LatentSet:
        """Test images under an attack; the work is kept in the run directory."""
        data = self.data
        key = hashlib.sha256(self.model_path.read_bytes())
        key.update(repr((attack, rows, self.seed, self.batch_size)).encode())
        key.update(np.ascontiguousarray(data.x[rows]).tobytes())
        return latent_set(
            self.model,
            data.x[rows],
            data.y[rows],
            attack,
            modes=None if data.modes is None else data.modes[rows],
            batch_size=self.batch_size,
            seed=self.seed,
            state_dir=self.folder / "report_state" / key.hexdigest()[:16],
            verbose=self.verbose,
            **options,
        )

    @cached_property
    def reference(self) -> np.ndarray | None:
        """Embeddings of the training images."""
        if self.data.x_train is None:
            return None
        return self.embed(self.data.x_train)

    def embed(self, x: np.ndarray) -> np.ndarray:
        """Embeddings (N, D) of images."""
        classifier = getattr(self.model, "classifier", self.model)
        layer = getattr(self.model, "feature_layer", None)
        both = feature_model(classifier, layer)
        return outputs(lambda z: both(z, training=False)[1], x, self.batch_size)

    @cached_property
    def ratio(self) -> AdversarialRatio:
        """TLA's r and its twin."""
        found = self.latent
        return adversarial_ratio(
            found.clean,
            found.y,
            found.adversarial,
            found.adversarial_predicted,
            num_classes=found.num_classes,
        )

    @cached_property
    def neighbors(self) -> tuple[float, float] | None:
        """Accuracy of the nearest training images on clean and on attacked ones."""
        if self.reference is None:
            return None
        found, count = self.latent, min(NEIGHBORS, len(self.reference))
        clean, adversarial = (
            knn_accuracy(
                self.reference,
                self.data.y_train,
                queries,
                found.y,
                neighbors=count,
                verbose=self.verbose,
            )
            for queries in (found.clean, found.adversarial)
        )
        return clean, adversarial

    @cached_property
    def retrieved(self) -> tuple[Retrieval, Retrieval]:
        """The nearest clean test images of clean and of attacked ones."""
        found = self.latent
        rows, count = np.arange(len(found.y)), min(RETRIEVED, len(found.y) - 1)
        clean, adversarial = (
            retrieve(
                found.clean,
                found.y,
                queries,
                found.y,
                count=count,
                exclude=rows,
                verbose=self.verbose,
            )
            for queries in (found.clean, found.adversarial)
        )
        return clean, adversarial

    @cached_property
    def prototypes(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Surviving prototypes and their classes, of a model that has them."""
        if not isinstance(getattr(self.model, "head", None), SoftTripleHead):
            return None
        return prototype_points(self.model)

    @cached_property
    def places(self) -> dict[str, np.ndarray]:
        """Where t-SNE puts the first images, and the prototypes."""
        points = {
            "clean": self.latent.clean[:MAPPED],
            "adversarial": self.latent.adversarial[:MAPPED],
        }
        if self.prototypes is not None:
            points["prototypes"] = self.prototypes[0]
        count = sum(map(len, points.values()))
        return project(points, perplexity=min(15.0, (count - 1) / 3), seed=self.seed)
