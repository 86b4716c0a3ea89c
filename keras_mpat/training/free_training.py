"""Free adversarial training: one backward pass for the weights and the perturbation.

Each batch is replayed N times. Keras differentiates the loss once per replay; the
gradient with respect to the input is caught in a weight that is added to the input as
an exact zero, `x + (catcher - stop_gradient(catcher))`, and that Keras overwrites with
its gradient instead of stepping it.
"""

from dataclasses import KW_ONLY, dataclass

import keras
from keras import ops

from keras_mpat import backend, replicas
from keras_mpat.choices import check_choice
from keras_mpat.configurable import check_count
from keras_mpat.objectives import CrossEntropy
from keras_mpat.threat_models import ThreatModel, check_threat_model
from keras_mpat.training.strategy import AttackStrategy


@keras.saving.register_keras_serializable("keras_mpat")
@dataclass(frozen=True, eq=False)
class FreeTraining(AttackStrategy):
    """N updates per batch; the perturbation takes a step of epsilon in each.

    The perturbation starts at zero, is never reset, and meets other images in the next
    batch; it is clipped to their box on entry. By default it ascends the whole training
    loss, the head's term included, because that is the gradient that the one backward
    pass yields. Divide the epochs, and the epochs of a step decay, by `replays`.

    Args:
        threat_model: `Linf`, `L2` or your own.
        replays: N, updates per batch, >= 1; 8 in MPAT for CIFAR, 4 for MNIST.
        batch_size: rows of the perturbation: the batch size of `fit`. A smaller last
            batch uses the first rows. Replicas of a distribution strategy have equal
            parts of them.
        ascent: `"total"`, or `"ce"`: the cross-entropy of the predictions alone, by one
            more pass per update (dropout draws anew in it).
        norm_mode: there is no separate attack pass, so only "eval" is taken.
        clean_epochs, warmup_epochs: see `AttackStrategy`.

    Raises:
        ValueError: a count below 1; in training, a batch larger than `batch_size`.

    References:
        Shafahi et al., arXiv:1904.12843, algorithm 1.
    """

    takes_attack_dtype = False  # its gradient is not the attack's alone

    threat_model: ThreatModel
    replays: int = 8
    _: KW_ONLY
    batch_size: int = 128
    ascent: str = "total"

    def __post_init__(self):
        super().__post_init__()
        check_threat_model(self.threat_model)
        if self.norm_mode != "eval":
            raise ValueError(
                "`norm_mode` has no effect on FreeTraining, which has no attack pass. "
                f"Received: norm_mode={self.norm_mode!r}. Remove it."
            )
        check_choice("ascent", self.ascent, ("total", "ce"))
        check_count("replays", self.replays, "MPAT uses 8 for CIFAR and 4 for MNIST.")
        check_count("batch_size", self.batch_size, "Pass the batch size of `fit`.")

    @property
    def updates_per_batch(self):  # type: ignore[override]
        """The replays."""
        return self.replays

    def build(self, model):
        if self.batch_size % replicas.count():
            raise ValueError(
                "`batch_size` of FreeTraining must be a multiple of the replicas. "
                f"Received: batch_size={self.batch_size} with "
                f"{replicas.count()} replicas. Pass the batch size of `fit`."
            )
        shape = (self.batch_size, *model.example_shape)
        perturbation = model.add_weight(
            name="free_perturbation",
            shape=shape,
            initializer="zeros",
            trainable=False,
            dtype="float32",
            aggregation="sum",  # each replica writes its own rows, and zeros
        )
        gradient = model.add_weight(
            name="free_input_gradient",
            shape=shape,
            initializer="zeros",
            dtype="float32",
            trainable=self.ascent == "total",
            overwrite_with_gradient=self.ascent == "total",
        )
        state = {"perturbation": perturbation, "input_gradient": gradient}
        return {**super().build(model), **state}

    def perturb(self, model, x, y):
        if x.shape[0] is not None:
            self.check_batch(x.shape[0] * replicas.count())
        if self.has_schedule:
            self.next_epsilon_scale(model)
        first, count = self._first_row(), ops.shape(x)[0]
        delta = model.strategy_state["perturbation"][first : first + count]
        x_adv = self._ball(model).project(x + delta, x)
        if self.ascent == "ce":
            self._ascend_cross_entropy(model, x_adv, y)
        return {"adversarial": x_adv}

    def _ascend_cross_entropy(self, model, x_adv, y):
        logits_fn = model.logits_fn("batch_stats")  # as the update will see them

        def objective(x):
            return CrossEntropy()(y, logits_fn(x)), x

        gradient, *_ = backend.input_gradient(objective, x_adv)
        kept = model.strategy_state["input_gradient"]
        rows = ops.concatenate([gradient, kept[ops.shape(x_adv)[0] :]])
        kept.assign(ops.reshape(rows, kept.shape))

    def connect(self, model, views):
        if self.ascent == "ce":
            return views
        x_adv = views["adversarial"]
        catcher = model.strategy_state["input_gradient"][: ops.shape(x_adv)[0]]
        return {**views, "adversarial": x_adv + (catcher - ops.stop_gradient(catcher))}

    def after_update(self, model, x, views):
        ball, x_adv = self._ball(model), views["adversarial"]
        count = ops.shape(x)[0]
        gradient = model.strategy_state["input_gradient"][:count]
        moved = ball.project(x_adv + ball.radius * ball.steepest(gradient), x)
        perturbation = model.strategy_state["perturbation"]
        first = self._first_row()
        others = perturbation[first + count : first + self._rows]
        perturbation.assign(self._placed(ops.concatenate([moved - x, others]), model))

    @property
    def _rows(self) -> int:
        return self.batch_size // replicas.count()

    def _first_row(self):
        return replicas.index() * self._rows

    def _placed(self, rows, model):
        """The rows of this replica in the perturbation of all; the sum is whole."""
        count = replicas.count()
        if count > 1:
            here = ops.one_hot(replicas.index(), count, dtype=rows.dtype)
            here = ops.reshape(here, (count, *[1] * len(rows.shape)))
            rows = here * rows[None]
        return ops.reshape(rows, (self.batch_size, *model.example_shape))

    def _ball(self, model) -> ThreatModel:
        if not self.has_schedule:
            return self.threat_model
        scale = ops.convert_to_tensor(model.strategy_state["epsilon_scale"])
        return self.threat_model.scaled(scale)

    def check_batch(self, size):
        if size > self.batch_size:
            raise ValueError(
                "`batch_size` of FreeTraining must be at least the batch size of the "
                f"data (examples). Received: batch_size={self.batch_size}, a batch of "
                f"{size}. Pass FreeTraining(..., batch_size={size})."
            )

    def check_optimizer(self, optimizer):
        if self.ascent == "ce":  # its input gradient is no business of Keras
            return
        for name in ("gradient_accumulation_steps", "use_ema"):
            if optimizer.get_config().get(name):
                raise ValueError(
                    f"`optimizer` must not have {name} with FreeTraining, which keeps "
                    "the input gradient of each replay in a weight that Keras would "
                    "merge or average. Received: an optimizer with "
                    f"{name}={optimizer.get_config()[name]}. Remove it, or use "
                    "PGDTraining."
                )
