"""Which way gradients lead: through the classifier, or around what cuts them off."""

import dataclasses

import numpy as np

from keras_mpat import backend
from keras_mpat.attacks import Attack, AutoAttack, Transfer
from keras_mpat.objectives import Margin

_MARGIN = Margin(kappa=None)
_DEAD = 0.01  # of the features
_SAME = 1e-3  # of the largest logit


@dataclasses.dataclass(frozen=True)
class Route:
    """The ways of the attacks that checks run: the classifier's gradients, and another.

    Attributes:
        own: share of features whose gradient is 0 at the image but not across the
            interval: dead.
        others: the same share of the surrogates of the evaluation, by attack; a feature
            that lives in the classifier anywhere counts as dead there, too. Asked in
            order, and only where too many are dead, up to the first that goes around.
        surrogate: what that one follows; `None`: none does, or none is needed.
    """

    own: float
    others: dict[str, float]
    surrogate: object = None

    @property
    def is_alive(self) -> bool:
        """Whether few features are dead, in one way of two."""
        return self.own <= _DEAD or self.surrogate is not None

    @property
    def words(self) -> str:
        """What the figures of attacks that also go another way must say."""
        if self.surrogate is None:
            return ""
        return f"; {[*self.others][-1]!r} shows another way"

    def of(self, attack: Attack) -> dict[str, Attack]:
        """The attack on each way, by name."""
        if self.surrogate is None:
            return {"": attack}
        return {"": attack, "around": Transfer(attack, surrogate=self.surrogate)}


def found(subject) -> Route:
    """The ways of an evaluation: around dead features, if an attack of it goes there.

    Such an attack is an AutoAttack on a surrogate with the same outputs, at the images
    and across their intervals.
    """
    zero, alive = _life(subject)
    own, others = float(np.mean(zero & alive)), {}
    if own <= _DEAD:
        return Route(own, others)
    for name, attack in subject.attacks.items():
        if is_same_function(subject, attack):
            still, more = _life(subject, attack.surrogate)
            others[name] = float(np.mean(still & (alive | ~zero | more)))
            if others[name] <= _DEAD:
                return Route(own, others, attack.surrogate)
    return Route(own, others)


def _life(subject, model=None) -> tuple[np.ndarray, np.ndarray]:
    """Where gradients are 0 at the image, and where not across the interval."""
    zero = subject.gradient(_MARGIN, model=model)[0] == 0
    alive = np.zeros_like(zero)
    for moved in _across(subject):
        alive |= subject.gradient(_MARGIN, moved, model=model)[0] != 0
    return zero, alive


def _across(subject) -> list[np.ndarray]:
    """The lower ends, the middles and the upper ends of the intervals, (n, ...)."""
    ball, x = subject.threat_model, subject.x
    low, high = (np.asarray(bound, "float32") for bound in ball.bounds)
    radius = np.asarray(ball.radius, "float32")
    ends = np.maximum(x - radius, low), np.minimum(x + radius, high)
    points = (ends[0], 0.5 * (ends[0] + ends[1]), ends[1])
    return [point.astype("float32") for point in points]


def is_same_function(subject, attack) -> bool:
    """Whether it is an AutoAttack by gradients of a model with the same outputs."""
    whole = isinstance(attack, Transfer) and isinstance(attack.attack, AutoAttack)
    if not whole:
        return False
    run = backend.function(lambda x: (subject.logits_fn(x, attack.surrogate),))
    for x in (subject.x, *_across(subject)):
        (outputs,), expected = subject.compute(run, x), subject.predict(x)
        gap = np.abs(outputs - expected).max()
        if not gap <= _SAME * np.abs(expected).max():  # NaN is not the same
            return False
    return True
