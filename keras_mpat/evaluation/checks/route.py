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
    """The way of the checks that follow gradients.

    Attributes:
        dead: share of features whose gradient is 0 at the image but not across the
            interval, of the classifier ("") and then of attacks by name, up to the
            first that goes around them.
        surrogate: what that attack follows; `None`: the classifier, or no way.
    """

    dead: dict[str, float]
    surrogate: object = None

    @property
    def is_alive(self) -> bool:
        """Whether gradients lead anywhere."""
        return [*self.dead.values()][-1] <= _DEAD

    @property
    def words(self) -> str:
        """What the figures of an attack on this way must say; mostly nothing."""
        way = [*self.dead][-1]
        return "" if self.surrogate is None else f"; the way of {way!r}"

    def of(self, attack: Attack) -> Attack:
        """The attack, with the gradients of the surrogate."""
        if self.surrogate is None:
            return attack
        return Transfer(attack, surrogate=self.surrogate)


def found(subject) -> Route:
    """The route of an evaluation: around dead features, if an attack of it goes there.

    Such an attack is an AutoAttack on a surrogate with the same outputs, at the images
    and across their intervals.
    """
    dead = {"": _dead(subject)}
    if dead[""] <= _DEAD:
        return Route(dead)
    for name, attack in subject.attacks.items():
        if _is_same_function(subject, attack):
            dead[name] = _dead(subject, attack.surrogate)
            if dead[name] <= _DEAD:
                return Route(dead, attack.surrogate)
    return Route(dead)


def _dead(subject, model=None) -> float:
    """Share of features with no gradient at the image, but across the interval."""
    zero = subject.gradient(_MARGIN, model=model)[0] == 0
    revived = np.zeros_like(zero)
    for moved in _across(subject):
        revived |= subject.gradient(_MARGIN, moved, model=model)[0] != 0
    return float(np.mean(zero & revived))


def _across(subject) -> list[np.ndarray]:
    """The lower ends, the middles and the upper ends of the intervals, (n, ...)."""
    ball, x = subject.threat_model, subject.x
    low, high = (np.asarray(bound, "float32") for bound in ball.bounds)
    radius = np.asarray(ball.radius, "float32")
    ends = np.maximum(x - radius, low), np.minimum(x + radius, high)
    points = (ends[0], 0.5 * (ends[0] + ends[1]), ends[1])
    return [point.astype("float32") for point in points]


def _is_same_function(subject, attack) -> bool:
    """Whether it is an AutoAttack by gradients of a model with the same outputs."""
    whole = isinstance(attack, Transfer) and isinstance(attack.attack, AutoAttack)
    if not whole:
        return False
    run = backend.function(lambda x: (subject.logits_fn(x, attack.surrogate),))
    for x in (subject.x, *_across(subject)):
        (outputs,), expected = subject.compute(run, x), subject.predict(x)
        if np.abs(outputs - expected).max() > _SAME * np.abs(expected).max():
            return False
    return True
