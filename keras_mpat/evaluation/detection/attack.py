"""`DetectorAttack`: an adversary that knows the classifier and the detector.

attack = DetectorAttack.against(model, detector, Linf(0.3))
"""

from dataclasses import KW_ONLY, dataclass
from typing import Any

import keras
from keras import ops

from keras_mpat import noise
from keras_mpat.attacks.attack import Goal, worst_of
from keras_mpat.attacks.model_attack import ModelAttack, check_model, rows_of
from keras_mpat.attacks.scheduled import (
    best_of,
    climb,
    cosine,
    nothing_kept,
    projected_steps,
)
from keras_mpat.configurable import check_count
from keras_mpat.evaluation.detection.detector import Detector
from keras_mpat.evaluation.embeddings import check_model as check_training_model
from keras_mpat.models.embedding import feature_model
from keras_mpat.objectives import Margin
from keras_mpat.threat_models import ThreatModel, check_threat_model

_MARGIN = Margin(kappa=None)
_FIRST_LENGTH, _LAST_LENGTH = 1.0, 0.01  # of epsilon


@keras.saving.register_keras_serializable("keras_mpat")
@dataclass(frozen=True, eq=False, repr=False)
class DetectorAttack(ModelAttack):
    """Raises the margin of what is classified right, the confidence of what is not.

    Each step looks at one of the two alone, as each example needs it: no weight between
    logits and log densities has to be found. The point that counts is, of those on the
    way, the one that is classified wrong with the highest confidence; else the one with
    the largest margin. A detector that was only shown attacks that do not know it is
    likely to look better than it is.

    Args:
        threat_model: `Linf`, `L2` or your own.
        features: Keras model, inputs -> embedding (B, D), on the layers of the model
            under attack.
        detector: fitted to embeddings of this model.
        steps: gradient steps per run, >= 1. They fall along a cosine from epsilon to
            epsilon / 100.
        restarts: runs; the first one starts at x, the others at random points.

    Raises:
        ValueError: a count below 1, another kind of argument, or a detector that is not
            fitted; in use, `features` of another input shape or another size.

    References:
        Bryniarski et al., arXiv:2106.15023 (selective steps); Tramer et al.,
        arXiv:2002.08347: attacks that are adapted to the defense.
    """

    threat_model: ThreatModel
    _: KW_ONLY
    features: Any
    detector: Detector
    steps: int = 100
    restarts: int = 2

    def __post_init__(self):
        check_threat_model(self.threat_model)
        check_model("features", self.features)
        check_count("steps", self.steps, "The usual value is 100.")
        check_count("restarts", self.restarts, "One run is restarts=1.")
        if not isinstance(self.detector, Detector):
            raise ValueError(
                "`detector` must be a Detector. Received: detector of type "
                f"{type(self.detector).__name__}. Pass Detector().fit(...)."
            )
        if self.features.output_shape != (None, self.detector.features):
            raise ValueError(
                "`detector` must be fitted to embeddings of `features`. Received: one "
                f"of {self.detector.features} features, for outputs of shape "
                f"{self.features.output_shape}. Call DetectorAttack.against(model, "
                "detector, ball)."
            )

    @classmethod
    def against(cls, model, detector: Detector, threat_model, **options):
        """The attack on a trained `AdversarialModel`; options are `steps`, `restarts`.

        The detector must be fitted to `evaluation.embeddings` of this model.
        """
        check_training_model(model)
        both = feature_model(model.classifier, model.feature_layer)
        features = keras.Model(both.inputs[0], both.outputs[1])
        return cls(threat_model, features=features, detector=detector, **options)

    @property
    def passes(self):
        return 3 * self.steps

    def check(self, example_shape, num_classes):
        if None not in example_shape:
            rows_of("features", self.features, example_shape)

    def runs(self, num_classes):
        return self.restarts

    def search(self, logits_fn, x, targets, keys):
        def run(number):
            return self.run(logits_fn, x, targets, keys, number)

        return worst_of(self.restarts, run, _Goal(self, logits_fn, x, targets))

    def run(self, logits_fn, x, targets, keys, number):
        goal = _Goal(self, logits_fn, x, targets)
        lengths = cosine(_FIRST_LENGTH, _LAST_LENGTH, self.steps)
        move = projected_steps(self.threat_model, x, lengths)
        sampled = self.threat_model.sample(x, noise.fold(keys, number))
        start = ops.where(ops.equal(number, 0), x, sampled)
        last, best = climb(goal, start, self.steps, move, nothing_kept(x))
        return best_of(goal, last, best)


class _Goal(Goal):
    """First the margin, then the confidence.

    Instead of logits (B, C) alone it tells (B, C + 1): the confidence is the last
    column.
    """

    def __init__(self, attack: DetectorAttack, logits_fn, x, labels):
        super().__init__(logits_fn, x, labels, None, _MARGIN)
        self._attack = attack

    def __call__(self, x):
        margin, logits = super().__call__(x)
        embedding = self._attack.features(x, training=False)
        confidence = self._attack.detector.confidence(ops.cast(embedding, "float32"))
        value = ops.where(super().fooled(logits), confidence, margin)
        return value, ops.concatenate([logits, confidence[:, None]], axis=-1)

    def fooled(self, logits):
        return super().fooled(logits[:, :-1])

    def lead(self, logits):
        margin = super().lead(logits[:, :-1])
        return ops.where(self.fooled(logits), logits[:, -1], margin)

    def score(self, x_adv):
        _, told = self(x_adv)
        return x_adv, self.lead(told), self.fooled(told)
