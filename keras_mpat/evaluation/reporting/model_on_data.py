"""A run's model and the images of a report: attacked, embedded, each once.

Attacks keep their work in the run directory, so that a report that was interrupted
goes on.
"""

import hashlib
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_mpat import attacks
from keras_mpat.evaluation.embeddings import outputs
from keras_mpat.evaluation.latent import LatentSet, latent_set
from keras_mpat.evaluation.loading import load_classifier, training_model
from keras_mpat.evaluation.reporting.data import ReportData
from keras_mpat.models.embedding import feature_model
from keras_mpat.models.forward import with_logits
from keras_mpat.threat_models import ThreatModel

MAPPED = 500  # test images on the map, each clean and attacked; a sheet shows some
STEPS = 20


@dataclass(frozen=True, eq=False)
class ModelOnData:
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
        """The training model, or the plain classifier, with logits on its weights."""
        found = training_model(self.model_path)
        return found or with_logits(load_classifier(self.model_path, softmax=True))

    @property
    def attack(self) -> attacks.PGD:
        """The attack whose examples are analyzed."""
        return attacks.PGD(self.threat_model, steps=STEPS)

    @cached_property
    def latent(self) -> LatentSet:
        """All test images, clean and attacked, with the adversarial ones."""
        return self.attacked(self.attack, slice(None), keep_examples=True)

    @property
    def pictures(self) -> np.ndarray:
        """The first adversarial images, to be shown."""
        return self.latent.examples[:MAPPED]

    def attacked(self, attack, rows: slice, **options: Any) -> LatentSet:
        """Test images under an attack; the work is kept in the run directory."""
        data = self.data
        return latent_set(
            self.model,
            data.x[rows],
            data.y[rows],
            attack,
            modes=None if data.modes is None else data.modes[rows],
            batch_size=self.batch_size,
            seed=self.seed,
            state_dir=self.folder / "report_state" / self._key(attack, rows),
            verbose=self.verbose,
            **options,
        )

    def _key(self, what, rows: slice) -> str:
        """A folder name for work that depends on nothing else."""
        key = hashlib.sha256(self.model_path.read_bytes())
        key.update(repr((what, rows, self.seed, self.batch_size)).encode())
        for part in (self.data.x, self.data.y):
            key.update(np.ascontiguousarray(part[rows]).tobytes())
        return key.hexdigest()[:16]

    @cached_property
    def reference(self) -> np.ndarray | None:
        """Embeddings of the training images."""
        if self.data.x_train is None:
            return None
        features = self.features
        return outputs(
            lambda z: features(z, training=False), self.data.x_train, self.batch_size
        )

    @cached_property
    def features(self) -> keras.Model:
        """Images -> embeddings (B, D)."""
        classifier = getattr(self.model, "classifier", self.model)
        layer = getattr(self.model, "feature_layer", None)
        both = feature_model(classifier, layer)
        return keras.Model(both.inputs, both.outputs[1])
