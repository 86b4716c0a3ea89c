"""The Square attack: random windows, kept when the margin falls. Uses no gradient.

attack = keras_mpat.attacks.Square(keras_mpat.Linf("8/255"), queries=5000)
x_adv = attack(classifier, x, y, seed=0)
"""

from dataclasses import KW_ONLY, dataclass

import keras
from keras import ops

from keras_mpat import backend, noise
from keras_mpat.attacks._pyramids import Pyramids
from keras_mpat.attacks._windows import Stripes, shares
from keras_mpat.attacks.attack import Attack, Goal, per_example, worst_of
from keras_mpat.configurable import check_count, check_share, check_switch
from keras_mpat.objectives import Margin
from keras_mpat.threat_models import L2, Linf, ThreatModel, check_threat_model


@keras.saving.register_keras_serializable("keras_mpat")
@dataclass(frozen=True, eq=False)
class Square(Attack):
    """Changes one random window per query and keeps the change if the margin falls.

    It asks for logits only, so that it also breaks nets whose gradients are zero,
    wrong or masked: a net that resists PGD and falls to Square is not robust. Each
    example has its own windows and rests once it is misclassified (a tie that argmax
    still decides for the true class is no success).

    Windows lie in the last but two axes of images (B, H, W, C_in). Other inputs are
    seen as images: (B, D) as one row of D pixels, (B, H, W) as one channel; of more
    axes the first are joined.

    Args:
        threat_model: `Linf` or `L2`.
        queries: windows that are tried per run, >= 1; each is one forward pass.
        restarts: runs from different random starts; the worst counts per example.
        initial_share: share of the pixels in the first window, in (0, 1]; it is halved
            after 10, 50, 200, 500, 1000, 2000, 4000, 6000 and 8000 queries.
        rescale_schedule: stretch these counts from 10 000 queries to `queries`, so that
            a short run ends with windows as small as those of a long one.

    Call arguments, return value: see `Attack`.

    Raises:
        ValueError: a threat model of another norm, a count below 1, a share outside
            (0, 1], or a switch that is no boolean.

    References:
        Andriushchenko et al., arXiv:1912.00049, algorithms 1 to 3.
    """

    threat_model: ThreatModel
    _: KW_ONLY
    queries: int = 5000
    restarts: int = 1
    initial_share: float = 0.8
    rescale_schedule: bool = False

    def __post_init__(self):
        check_threat_model(self.threat_model)
        if _moves_in(self.threat_model) is None:
            raise ValueError(
                "`threat_model` of Square must be Linf, L2 or a subclass of one: the "
                "shape of its windows depends on the norm. Received: "
                f"threat_model={self.threat_model!r}. Pass keras_mpat.Linf('8/255'), "
                "or search with attacks.RandomNoise."
            )
        check_count("queries", self.queries, "The usual number is 5000.")
        check_count("restarts", self.restarts, "One run is restarts=1.")
        unit = "share of the pixels in the first window"
        check_share(
            "initial_share", self.initial_share, unit, "The usual value is 0.8."
        )
        check_switch("rescale_schedule", self.rescale_schedule)

    @property
    def passes(self):
        return self.queries

    def search(self, logits_fn, x, targets, keys):
        goal = Goal(logits_fn, x, targets, keys, Margin(0.0))
        return worst_of(self.restarts, lambda r: self._run(goal, x, keys, r), goal)

    def runs(self, num_classes):
        return self.restarts

    def run(self, logits_fn, x, targets, keys, number):
        goal = Goal(logits_fn, x, targets, keys, Margin(0.0))
        return self._run(goal, x, keys, number)

    def _run(self, goal, x, keys, number):
        x, keys = ops.stop_gradient(x), noise.fold(keys, number)
        sizes = shares(self.queries, self.initial_share, self.rescale_schedule)
        moves = _moves_in(self.threat_model)(self.threat_model, x, sizes)

        def step(query, state):
            x_adv, value, fooled = state
            candidate = moves.propose(x_adv, noise.fold(keys, query + 1), query)
            new_value, logits = goal(candidate)
            new_fooled = goal.fooled(logits)
            better = ops.logical_or(new_fooled, new_value > value)
            better = ops.logical_and(better, ops.logical_not(fooled))
            return (
                ops.where(per_example(better, x), candidate, x_adv),
                ops.where(better, new_value, value),
                ops.logical_or(fooled, new_fooled),
            )

        start = goal.score(moves.start(noise.fold(keys, 0)))
        return backend.loop(self.queries, step, start, done=_all_fooled)[0]


def _all_fooled(state):
    return ops.all(state[2])


_MOVES: dict[type, type] = {Linf: Stripes, L2: Pyramids}


def _moves_in(threat_model):
    """How windows change in this norm: the entry of the nearest base class, or None."""
    kinds = type(threat_model).__mro__
    return next((_MOVES[kind] for kind in kinds if kind in _MOVES), None)
