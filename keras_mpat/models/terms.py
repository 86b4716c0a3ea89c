"""The training loss: CE + head_weight * L_head + regularizer_weight * L_norm.

The strategy's `loss` has the cross-entropy and the head's term on the outputs by view.
What needs no labels is part of the outputs, and not given to `add_loss`: replicas that
wait for each other in a synchronized BatchNorm share that list, and count all of it.
"""

from keras import ops

from keras_mpat import replicas
from keras_mpat.layers.head import main_view
from keras_mpat.models import forward
from keras_mpat.objectives import class_ids


class Terms:
    """The part of `AdversarialModel` that turns outputs into losses and logs."""

    def terms_without_labels(self, outputs):
        """The head's regulariser and the norm, weighted; in the forward pass."""
        total = ops.zeros(())
        if self.head is not None:
            total += self.head_weight * self.head.regularization()
        if self.regularizer == "weights":
            total += self.regularizer_weight * forward.kernel_norm(self.classifier)
        if self.regularizer == "features":
            _, embedding = main_view(outputs)
            mean = ops.mean(ops.square(ops.cast(embedding, "float32")))
            total += self.regularizer_weight * mean
        return total

    def supervised_loss(self, y, logits, sample_weight):
        """Compiled loss on logits plus what layers have added; logs `ce_loss`."""
        total = super().compute_loss(None, y, logits, sample_weight)
        size = ops.shape(logits)[0]
        cross_entropy = replicas.unscale(total) - sum(self.losses)
        self.ce_tracker.update_state(cross_entropy, sample_weight=size)
        labels = class_ids(y, self.num_classes)
        self.collapse.update_state(labels, logits, sample_weight)
        return total

    def head_loss(self, y, outputs, sample_weight):
        """The head's term, weighted; its regulariser is among those without labels.

        Args:
            y: labels (B,) or one-hot (B, C).
            outputs: (logits, embedding) by view name.
            sample_weight: (B,) or `None`.
        """
        if self.head is None:
            return 0.0
        embeddings = {
            name: ops.cast(output[1], "float32")
            for name, output in outputs.items()
            if name not in self.strategy.constants
        }
        labels = class_ids(y, self.num_classes)
        loss = self.head.embedding_loss(labels, embeddings, sample_weight)
        term = replicas.unscale(loss) + self.head.regularization()
        size = ops.shape(main_view(embeddings))[0]
        self.head_tracker.update_state(term, sample_weight=size)
        return self.head_weight * loss

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        """Keras' loss on logits; the strategy's on outputs by view."""
        if isinstance(y_pred, dict):
            loss = self.strategy.loss(self, y, y_pred["views"], sample_weight)
            return loss + replicas.scale(y_pred["terms"])
        return super().compute_loss(x, y, y_pred, sample_weight, training)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """The logs: on what `predict` would return for the main view."""
        if not self.logging:
            return {}
        if not isinstance(y_pred, dict):
            logs = super().compute_metrics(x, y, y_pred, sample_weight)
            hidden = {self.ce_tracker.name, self.head_tracker.name}
            hidden |= set(self.strategy.logged)
        else:
            logs = super().compute_metrics(x, y, y_pred["scores"], sample_weight)
            hidden = set(self.robust_metrics)
            if self.head is None:
                hidden.add(self.head_tracker.name)
        return {name: value for name, value in logs.items() if name not in hidden}
