"""What a strategy may ask an `AdversarialModel` to have beside its classifier."""

from keras_mpat.models.interval import IntervalBounds
from keras_mpat.models.twin import Twin, check_twin


class Companions:
    """Mixin: the classifier as attacks see it, and the bounds of its logits."""

    @property
    def twin(self) -> Twin:
        """The classifier as an attack with a dtype of its own sees it."""
        return self._twin.model

    def build_twin(self, dtype: str) -> None:
        """Makes the twin; see `AttackStrategy`'s `attack_dtype`.

        Raises:
            ValueError: predictions are those of the head, or a subclassed classifier.
        """
        check_twin(self.classifier, self.predict_from, dtype)
        self._twin = Untracked(Twin(self.classifier, dtype))

    @property
    def bounds(self) -> IntervalBounds:
        """Bounds of the classifier's logits in a box of inputs."""
        return self._bounds.model

    def build_bounds(self) -> None:
        """Makes the bounds; see `MTLIBPTraining`.

        Raises:
            ValueError: predictions are those of the head, or a layer without bounds.
        """
        if self.predict_from != "linear":
            raise ValueError(
                "`predict_from` must be 'linear' with bounds, which are about the "
                "classifier's own logits. Received: predict_from="
                f"{self.predict_from!r}. Leave it out."
            )
        self._bounds = Untracked(IntervalBounds(self.classifier))


class Untracked:
    """Holds a model on the classifier's layers, hidden from the tracking of Keras."""

    def __init__(self, model):
        self.model = model
