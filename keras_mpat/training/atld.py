"""ATLD: attacks move the latent distribution, training brings it back.

A discriminator learns to tell logits of natural images from those of attacked ones.
The attack makes them easy to tell, without a look at labels; the classifier learns to
be right there, with logits like those of the natural image.
"""

from dataclasses import KW_ONLY, dataclass
from typing import Any

import keras
from keras import ops

from keras_mpat import backend, noise
from keras_mpat.choices import check_choice
from keras_mpat.configurable import (
    check_count,
    check_not_negative,
    check_positive,
    check_switch,
)
from keras_mpat.layers.discriminator import Discriminator, check_size
from keras_mpat.losses.label_smoothing import (
    check_smoothing,
    smoothed,
    smoothing_term,
    soft_cross_entropy,
    usual_smoothing,
)
from keras_mpat.losses.latent_matching import (
    balance,
    binary_divergence,
    jensen_shannon,
    logit_distance,
)
from keras_mpat.losses.linearized import linearized
from keras_mpat.losses.weighting import weighted_mean
from keras_mpat.objectives import class_ids
from keras_mpat.threat_models import ThreatModel, check_threat_model
from keras_mpat.training.strategy import AttackStrategy, unboxed_sample
from keras_mpat.weight_gradients import weight_gradients

GAMES = ("mse", "gan")
_LOGGED = ("discriminator_accuracy", "divergence_before", "divergence_after")


@keras.saving.register_keras_serializable("keras_mpat")
@dataclass(frozen=True, eq=False)
class ATLDTraining(AttackStrategy):
    """One unsupervised step against a discriminator, then a balanced loss.

    The step ascends the divergence that the discriminator sees, from a random point of
    the ball, which may leave the box, as published. Labels are used in the loss only:
    cross-entropy with smoothed labels, and half of s times the squared distance to the
    natural logits, where s makes the input gradients of both as large as each other.

    The discriminator, for which all examples count alike, and its optimizer are saved
    with the model. TensorFlow only.

    Args:
        threat_model: `Linf`, `L2` or your own.
        game: what brings the logits back: `"mse"`, as the published code has it, or
            `"gan"`, as the paper has it: the discriminator should take them for
            natural ones.
        label_smoothing: as of `FeatureScatteringTraining`; `None`: 0.5 as published,
            0.1 for two classes.
        updates: of the discriminator per batch, >= 1.
        learning_rate: of the discriminator's SGD with momentum 0.9, > 0.
        decay: weight of half the squared norm of its weights, >= 0.
        absolute: whether s compares largest absolute gradients; published: largest.
        widths, blocks: of the discriminator, see `layers.Discriminator`.
        norm_mode: of the attack; published: "eval".
        clean_epochs, warmup_epochs: see `AttackStrategy`.

    Logs: `discriminator_accuracy`; `divergence_before` and `divergence_after` the step,
        bounds on the Jensen-Shannon divergence in nats, 0 to 0.69.

    Raises:
        ValueError: an argument out of range; on building the model, a backend other
            than TensorFlow, or predictions of a head; in training, batches of one.

    References:
        Qian et al., arXiv:2107.04401, equations 3-6 and algorithm 1, as coded.
    """

    takes_attack_dtype = False  # its gradient is not the attack's alone
    threat_model: ThreatModel
    _: KW_ONLY
    game: str = "mse"
    label_smoothing: float | None = None
    updates: int = 2
    learning_rate: float = 1e-3
    decay: float = 2e-4
    absolute: bool = False
    widths: Any = (80, 160, 320)
    blocks: int = 4

    constants = ("natural_logits", "balance")
    logged = _LOGGED

    def __post_init__(self):
        super().__post_init__()
        check_threat_model(self.threat_model)
        check_choice("game", self.game, GAMES)
        check_count("updates", self.updates, "Published: updates=2.")
        check_positive("learning_rate", self.learning_rate, "a rate", "Published: 1e-3")
        check_not_negative("decay", self.decay, "a weight", "Published: 2e-4.")
        check_switch("absolute", self.absolute)
        check_size(self.widths, self.blocks)
        if self.label_smoothing is not None:  # with the number of classes: `build`
            check_smoothing("label_smoothing", self.label_smoothing, None)

    def build(self, model):
        if backend.NAME != "tensorflow":
            raise ValueError(
                "`strategy` ATLDTraining needs the TensorFlow backend: on JAX, Keras "
                "has no place for the state of a second optimizer. Received: "
                f"KERAS_BACKEND={backend.NAME}. Set KERAS_BACKEND=tensorflow."
            )
        if model.predict_from != "linear":
            raise ValueError(
                "`predict_from` must be 'linear' with ATLDTraining: its discriminator "
                "and its loss are about the classifier's own logits. Received: "
                f"predict_from={model.predict_from!r}. Leave it out."
            )
        share = self._share(model)
        check_smoothing("label_smoothing", share, model.num_classes)
        discriminator = Discriminator(
            model.num_classes,
            widths=self.widths,
            blocks=self.blocks,
            seed=model.seed,
        )
        discriminator.build((None, model.num_classes))
        discriminator.built = True
        optimizer = keras.optimizers.SGD(self.learning_rate, momentum=0.9)
        optimizer.build(discriminator.learned)
        own = {"discriminator": discriminator, "discriminator_optimizer": optimizer}
        metrics = {name: keras.metrics.Mean(name=name) for name in self.logged}
        return {**super().build(model), **own, **metrics}

    def check_batch(self, size):
        if size < 2:
            raise ValueError(
                "`batch_size` must be at least 2 with ATLDTraining: the BatchNorm of "
                "its discriminator sees nothing in a batch of one. Received: batches "
                f"of {size}. Published: 50."
            )

    def perturb(self, model, x, y):
        logits_fn = model.logits_fn(self.norm_mode)
        natural = logits_fn(x)
        x_adv = self._attacked(model, logits_fn, x, natural)
        factor, attacked = self._balance(model, x_adv, natural, y)
        for _ in range(self.updates):
            self._train_discriminator(model, natural, attacked, y)
        return {
            "adversarial": x_adv,
            "natural_logits": ops.stop_gradient(natural),
            "balance": ops.stop_gradient(factor),
        }

    def loss(self, model, y, outputs, sample_weight):
        logits, _ = outputs["adversarial"]
        loss = model.supervised_loss(y, logits, sample_weight)
        labels = class_ids(y, model.num_classes)
        softer = smoothing_term(labels, logits, self._share(model))
        loss += weighted_mean(softer, sample_weight)
        if self.game == "mse":
            values = logit_distance(logits, outputs["natural_logits"])
            factor = outputs["balance"] / 2
        else:
            state = model.strategy_state
            natural, _ = state["discriminator"](logits, training=True, update=False)
            values, factor = ops.softplus(-natural), 1.0
        loss += factor * weighted_mean(values, sample_weight)
        return loss + model.head_loss(y, outputs, sample_weight)

    def _share(self, model) -> float:
        return usual_smoothing(self.label_smoothing, model.num_classes)

    def _attacked(self, model, logits_fn, x, natural):
        """One step from a random point, up the divergence."""
        ball, state = self.threat_model, model.strategy_state
        if self.has_schedule:
            ball = ball.scaled(self.next_epsilon_scale(model))
        told, _ = state["discriminator"](natural, training=True, update=False)

        def objective(logits):
            seen, _ = state["discriminator"](logits, training=True, update=False)
            values = binary_divergence(told, seen)
            return -values, values

        def divergence(z):
            return linearized(logits_fn(z), objective)

        keys = noise.keys(model.seed_generator, ops.shape(x)[0])
        start = unboxed_sample(ball, x, keys)
        gradient, _, before = backend.input_gradient(divergence, start)
        x_adv = ball.project(start + ball.radius * ball.steepest(gradient), x)
        state["divergence_before"].update_state(jensen_shannon(before))
        _, after = objective(logits_fn(x_adv))
        state["divergence_after"].update_state(jensen_shannon(after))
        return ops.stop_gradient(x_adv)

    def _balance(self, model, x_adv, natural, y):
        """s, and the logits of x_adv, both as the update will see them."""
        logits_fn = model.logits_fn("batch_stats")
        targets = smoothed(y, model.num_classes, self._share(model))

        def cross_entropy(z):
            logits = logits_fn(z)
            return soft_cross_entropy(targets, logits), logits

        def distance(z):
            # With logits whose gradients are at most 1: float16 does not overflow.
            logits = ops.cast(logits_fn(z), "float32")
            pull = ops.stop_gradient(2 * (logits - ops.cast(natural, "float32")))
            size = ops.max(ops.abs(pull))
            values = logits * pull / ops.where(size > 0, size, 1.0)
            return ops.sum(values, axis=-1), size / model.num_classes

        of_cross_entropy, _, attacked = backend.input_gradient(cross_entropy, x_adv)
        if self.game != "mse":
            return ops.zeros(()), ops.stop_gradient(attacked)
        of_distance, _, size = backend.input_gradient(distance, x_adv)
        of_distance = size * of_distance
        factor = balance(of_cross_entropy, of_distance, absolute=self.absolute)
        return factor, ops.stop_gradient(attacked)

    def _train_discriminator(self, model, natural, attacked, y) -> None:
        state = model.strategy_state
        network = state["discriminator"]
        targets = smoothed(y, model.num_classes, self._share(model))

        def loss():
            told, named = network(natural, training=True, update=False)
            seen, guessed = network(attacked, training=True, update=False)
            values = binary_divergence(told, seen)
            values += soft_cross_entropy(targets, named)
            values += soft_cross_entropy(targets, guessed)
            norm = sum(ops.sum(ops.square(weight)) for weight in network.learned)
            return ops.mean(values) + 0.5 * self.decay * norm

        told, _ = network(natural, training=True)  # its averages move
        seen, _ = network(attacked, training=True)
        right = ops.cast(ops.concatenate([told > 0, seen <= 0]), "float32")
        state["discriminator_accuracy"].update_state(ops.mean(right))
        learned = network.learned
        state["discriminator_optimizer"].apply(weight_gradients(loss, learned), learned)
