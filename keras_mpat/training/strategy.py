"""How a batch becomes an update: views of the batch, then a loss over their outputs.

    perturb(model, x, y)              -> {"adversarial": x_adv}       the views
    connect(model, views)             -> views, inside the gradient tape
    loss(model, y, outputs, weight)   -> scalar; outputs: {"view": (logits, embedding)}
    after_update(model, x, views)     once the optimizer has stepped

Keras owns the update itself. A strategy is a frozen value; what it must remember (an
epsilon scale, Free's perturbation) are weights that `build` asks the model for, so that
they are saved and resumed with it.
"""

import abc
from dataclasses import KW_ONLY, dataclass, replace
from typing import Any, ClassVar

from keras import ops

from keras_mpat import backend, noise
from keras_mpat.attacks import Attack
from keras_mpat.choices import check_choice
from keras_mpat.configurable import Configurable, check_count
from keras_mpat.layers.head import main_view

ATTACK_DTYPES = ("float32", "bfloat16")
NORM_MODES = ("eval", "batch_stats", "train")
_FREE = 1e30  # a bound that no input meets


class Strategy(Configurable, abc.ABC):
    """Base of strategies. Subclasses are frozen dataclasses; only `perturb` is needed.

    Attributes:
        updates_per_batch: optimizer steps per batch of data (Free: its replays).
        threat_model: what the training adversary may do, or None.
        constants: names among the views that are no inputs, but numbers for `loss`.
        logged: names of metrics that `build` makes, shown by `fit`.
        joint_forward: whether all views pass the network as one batch, with common
            BatchNorm statistics, instead of one after the other.
    """

    updates_per_batch: int = 1
    joint_forward = False
    threat_model: Any = None
    constants: tuple[str, ...] = ()
    logged: tuple[str, ...] = ()

    def build(self, model) -> dict[str, Any]:
        """Creates the weights of the strategy by `model.add_weight`, by name."""
        return {}

    @abc.abstractmethod
    def perturb(self, model, x, y) -> dict[str, Any]:
        """The inputs that the update sees, by view name.

        Args:
            model: the `AdversarialModel`.
            x: clean inputs (B, ...), float32.
            y: labels, int32 (B,).
        """

    def connect(self, model, views: dict[str, Any]) -> dict[str, Any]:
        """The views as the model sees them, inside the gradient tape."""
        return views

    def loss(self, model, y, outputs, sample_weight):
        """Training loss: cross-entropy of the main view plus the head's term."""
        logits, _ = main_view(outputs)
        loss = model.supervised_loss(y, logits, sample_weight)
        return loss + model.head_loss(y, outputs, sample_weight)

    def after_update(self, model, x, views: dict[str, Any]) -> None:
        """Called after each optimizer step with the clean inputs and the views."""

    def check_batch(self, size: int) -> None:
        """Raises if a batch of `size` examples cannot be taken."""

    def check_optimizer(self, optimizer) -> None:
        """Raises if the strategy cannot work with this Keras optimizer."""

    def begin_epoch(self, model, epoch: int, steps: int | None) -> None:
        """Called before each epoch; `steps` is the number of batches, if known."""


@dataclass(frozen=True, eq=False)
class AttackStrategy(Strategy):
    """Base of strategies with an adversary: BatchNorm mode and warm-up of epsilon.

    Args:
        norm_mode: what BatchNorm (and dropout) do in the passes of the attack.
            `"eval"`: moving averages are used and stay as they are. `"batch_stats"`:
            statistics of the attacked batch are used, averages stay. `"train"`:
            averages move in each pass, too, towards half-made adversaries; the
            published Fast loop does that. The update itself trains BatchNorm on
            the views it forwards: the adversarial batch, and what the strategy or the
            head adds to it (clean images, with TLA).
        clean_epochs: first epochs without a perturbation.
        warmup_epochs: epochs after those in which epsilon and the step grow linearly
            from 0. Large epsilon on few classes can collapse to one class without it.
        attack_dtype: `None`: the attack's passes are those of the classifier.
            `"float32"`: of its twin, whose BatchNorm is folded into the layers before
            it. `"bfloat16"`: the twin computes in bfloat16, which is faster where the
            hardware has it; the perturbation and the update stay float32. Needs a
            functional classifier and `norm_mode="eval"`.

    Raises:
        ValueError: an unknown mode or dtype, a negative number of epochs, or a dtype
            with another mode.
    """

    takes_attack_dtype: ClassVar[bool] = True

    _: KW_ONLY
    norm_mode: str = "eval"
    clean_epochs: int = 0
    warmup_epochs: int = 0
    attack_dtype: str | None = None

    def __post_init__(self):
        fix = "The default 'eval' suits most."
        check_choice("norm_mode", self.norm_mode, NORM_MODES, fix)
        if self.attack_dtype is not None:
            self._check_attack_dtype()
        for name in ("clean_epochs", "warmup_epochs"):
            fix = "Epochs are whole; 0 switches it off."
            check_count(name, getattr(self, name), fix, minimum=0)

    def _check_attack_dtype(self) -> None:
        fix = "None leaves the attack to the classifier as it is."
        check_choice("attack_dtype", self.attack_dtype, ATTACK_DTYPES, fix)
        if self.norm_mode != "eval" or not self.takes_attack_dtype:
            raise ValueError(
                "`attack_dtype` is for attacks on the cross-entropy in inference mode. "
                f"Received: attack_dtype={self.attack_dtype!r} in "
                f"{type(self).__name__} with norm_mode={self.norm_mode!r}. Leave it "
                "out."
            )

    @property
    def has_schedule(self) -> bool:
        """Whether epsilon changes during training."""
        return self.clean_epochs + self.warmup_epochs > 0

    def build(self, model):
        if self.norm_mode == "train" and backend.NAME == "jax":
            raise ValueError(
                "`norm_mode='train'` moves BatchNorm averages inside an attack's "
                "gradient, which JAX cannot do. Received: KERAS_BACKEND=jax. "
                "Use norm_mode='batch_stats', or the TensorFlow backend."
            )
        if self.attack_dtype is not None:
            model.build_twin(self.attack_dtype)
        if not self.has_schedule:
            return {}
        # Outside `fit` nobody moves the schedule: the full epsilon, not none.
        return {
            name: model.add_weight(name=name, initializer=first, trainable=False)
            for name, first in (("epsilon_scale", "ones"), ("epsilon_growth", "zeros"))
        }

    def begin_epoch(self, model, epoch, steps):
        if not self.has_schedule:
            return
        begin, end = self._scale_at(epoch), self._scale_at(epoch + 1)
        if self.warmup_epochs == 0:  # a jump between epochs, not a slope inside one
            end = begin
        updates = (steps or 1) * self.updates_per_batch
        if steps is None:  # a stream of unknown length: one value for the whole epoch
            begin = end
        model.strategy_state["epsilon_scale"].assign(begin)
        model.strategy_state["epsilon_growth"].assign((end - begin) / updates)

    def _scale_at(self, epoch: int) -> float:
        done = epoch - self.clean_epochs
        if self.warmup_epochs == 0:
            return float(done >= 0)
        return min(max(done / self.warmup_epochs, 0.0), 1.0)

    def next_epsilon_scale(self, model):
        """Factor on epsilon for this update, 0 … 1; advances the schedule."""
        scale = model.strategy_state["epsilon_scale"]
        growth = model.strategy_state["epsilon_growth"]
        scale.assign(ops.minimum(scale + growth, 1.0))
        return ops.convert_to_tensor(scale)


def attacked(strategy: AttackStrategy, attack: Attack, model, x, y):
    """x_adv of `attack` on the model, with the strategy's schedule and norm mode."""
    keys = noise.keys(model.seed_generator, ops.shape(x)[0])
    if strategy.attack_dtype is None:
        logits_fn = model.logits_fn(strategy.norm_mode)
    else:
        logits_fn = model.twin.logits_fn()
    if not strategy.has_schedule:
        return attack(logits_fn, x, y, keys)
    scale = strategy.next_epsilon_scale(model)
    return ops.cond(  # a clean epoch costs no attack
        scale > 0.0,
        lambda: attack.scaled(scale)(logits_fn, x, y, keys),
        lambda: x,
    )


def unboxed_sample(threat_model, x, keys):
    """A random point of the ball around x (B, ...), which may leave the box.

    Feature scattering and ATLD take their gradient there, as published.
    """
    ball = replace(threat_model, epsilon=threat_model.radius, bounds=(-_FREE, _FREE))
    return ball.sample(x, keys)
