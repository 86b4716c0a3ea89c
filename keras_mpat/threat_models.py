"""What the adversary may do: the ball around an image, the box of valid inputs.

    threat_model = keras_mpat.Linf("8/255")             # images in [0, 1]
    threat_model = keras_mpat.L2(0.5)
    threat_model = keras_mpat.Linf("8/255", bounds=(0, 255))   # 8 grey levels

An attack asks a threat model for these things and so needs no case per norm: `steepest`
(the direction that raises a linear function most), `project` (back into the ball and
the box), `sample` and `surface` (random starts) and `distance`.
"""

import abc
import dataclasses
from dataclasses import KW_ONLY, dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_mpat import noise, norms
from keras_mpat import threat_checks as checks
from keras_mpat.configurable import Configurable, numbers


@dataclass(frozen=True, eq=False)
class ThreatModel(Configurable, abc.ABC):
    """A ball of radius epsilon inside the box of valid inputs.

    Args:
        epsilon: radius of the ball. A float >= 0 in input units; a string such as
            `"8/255"`, a fraction of the range given by `bounds`; or an array that
            broadcasts to one example, one radius per feature (0: that feature is
            fixed). Of epsilon = 0 every attack returns x.
        bounds: lowest and highest valid input; numbers or arrays per feature.
        mutable: boolean array that broadcasts to one example; False marks features
            that the adversary cannot change. `None`: all may change.

    Raises:
        ValueError: epsilon is negative or larger than the range, or the bounds are
            not ordered.
    """

    epsilon: Any
    _: KW_ONLY
    bounds: Any = (0.0, 1.0)
    mutable: Any = None

    def __post_init__(self):
        checks.check_bounds(self.bounds)
        checks.check_mutable(self.mutable)
        if ops.is_tensor(self.epsilon):
            return
        radius = np.asarray(self.radius)
        checks.check_epsilon(self.epsilon, radius, self.bounds)
        low, high = self._box()
        self._check_size(radius, high - low)

    def _box(self):
        return (np.asarray(bound, "float64") for bound in self.bounds)

    def _check_size(self, radius, width, shape=None) -> None:
        """Raises if the ball around any input holds the whole box.

        Args:
            radius, width: NumPy arrays, in input units.
            shape: of an example; `None`: not known yet.
        """

    def check_example(self, shape: tuple[int, ...]) -> None:
        """Raises if examples of this shape do not fit epsilon, bounds and mask."""
        checks.check_shapes(self, shape)
        if not ops.is_tensor(self.epsilon):
            low, high = self._box()
            self._check_size(np.asarray(self.radius), high - low, shape)

    @property
    def radius(self):
        """Epsilon in input units: a float, an array or a tensor."""
        return self.length(self.epsilon, "epsilon")

    def length(self, value, name: str = "step_size"):
        """A length in input units from a number, an array or a fraction of the range.

        Raises:
            ValueError: a string that is no number and no fraction like "8/255".
        """
        if isinstance(value, str):
            low, high = self._box()
            value = checks.fraction(value, name) * (high - low)
        if ops.is_tensor(value):
            return value
        array = numbers(value)
        return float(array) if array.ndim == 0 else array.astype("float32")

    def scaled(self, factor):
        """The same ball with its radius times `factor`, a float or scalar tensor."""
        return dataclasses.replace(self, epsilon=self.radius * factor)

    def box(self, x):
        """Clips x (B, ...) to the valid inputs."""
        low, high = (bound.astype("float32") for bound in self._box())
        return ops.minimum(ops.maximum(x, low), high)

    def project(self, x_adv, x):
        """Moves x_adv (B, ...) into the ball around x (B, ...) and into the box."""
        return self._restrict(self.box(self.ball(x_adv, x)), x)

    def _restrict(self, changed, original):
        if self.mutable is None:
            return changed
        return ops.where(np.asarray(self.mutable, "bool"), changed, original)

    @abc.abstractmethod
    def ball(self, x_adv, x):
        """Moves x_adv (B, ...) into the ball around x (B, ...); the box is ignored."""

    @abc.abstractmethod
    def steepest(self, gradient):
        """Unit direction (B, ...) in which a linear function grows most."""

    @abc.abstractmethod
    def sample(self, x, keys):
        """A random point (B, ...) of the ball around x, inside the box.

        Args:
            x: (B, ...) float32.
            keys: (B, 2), from `noise.keys`.
        """

    def surface(self, x, keys):
        """A random point (B, ...) of the ball's surface, moved into the box.

        Where APGD starts. Arguments as in `sample`, which is the default.
        """
        return self.sample(x, keys)

    def _free(self):
        """Which features can move: the dimensions of the ball. NumPy bool."""
        mutable = np.asarray(True if self.mutable is None else self.mutable, "bool")
        if ops.is_tensor(self.radius):  # a schedule: not known here
            return mutable
        return mutable & (np.asarray(self.radius) > 0)

    @abc.abstractmethod
    def distance(self, x_adv, x):
        """Norm of x_adv - x per example, (B,), in input units."""


def check_threat_model(threat_model) -> None:
    """Raises unless it is a `ThreatModel`; a bare number has no norm."""
    if not isinstance(threat_model, ThreatModel):
        raise ValueError(
            "`threat_model` must be a ThreatModel. Received: "
            f"threat_model={threat_model!r}. Pass keras_mpat.Linf(0.3) or "
            "keras_mpat.Linf('8/255')."
        )


@keras.saving.register_keras_serializable("keras_mpat")
@dataclass(frozen=True, eq=False)
class Linf(ThreatModel):
    """Each feature may move by at most epsilon.

    Arguments as in `ThreatModel`. `steepest` is the sign of the gradient, with
    sign(0) = 0.

    Example:
        >>> keras_mpat.Linf("8/255").radius
        0.03137254901960784

    References:
        Madry et al., arXiv:1706.06083, section 2.
    """

    def _check_size(self, radius, width, shape=None):
        if np.any(radius > width):
            checks.refuse_linf(self.epsilon, self.bounds)

    def ball(self, x_adv, x):
        return ops.minimum(ops.maximum(x_adv, x - self.radius), x + self.radius)

    def steepest(self, gradient):
        return self._restrict(ops.sign(gradient), ops.zeros_like(gradient))

    def sample(self, x, keys):
        step = self.radius * noise.uniform(keys, tuple(x.shape[1:]), -1.0, 1.0)
        return self.project(x + step, x)

    def surface(self, x, keys):
        change = noise.uniform(keys, tuple(x.shape[1:]), -1.0, 1.0)
        change = norms.unit_largest(change * self._free().astype("float32"))
        return self.project(x + self.radius * change, x)

    def distance(self, x_adv, x):
        return ops.max(ops.abs(norms.flat(x_adv - x)), axis=-1)


@keras.saving.register_keras_serializable("keras_mpat")
@dataclass(frozen=True, eq=False)
class L2(ThreatModel):
    """The Euclidean norm of the change is at most epsilon.

    Arguments as in `ThreatModel`. With one epsilon per feature the ball is the
    ellipsoid ||change / epsilon|| <= 1. `sample` is uniform in the ball.
    """

    def _check_size(self, radius, width, shape=None):
        if shape is None:
            return
        with np.errstate(divide="ignore"):  # a fixed feature: never too large
            corner = np.sum(np.broadcast_to((width / radius) ** 2, shape))
        if corner < 1 - 1e-6:
            checks.refuse_l2(self.epsilon, self.bounds, shape)

    def ball(self, x_adv, x):
        change = x_adv - x
        norm = norms.euclidean(norms.divide(change, self.radius))
        return x + change / ops.maximum(norm, 1.0)

    def steepest(self, gradient):
        gradient = self._restrict(gradient, ops.zeros_like(gradient))
        if np.ndim(self.radius) > 0:
            gradient = gradient * self.radius
        return norms.unit(gradient)

    def sample(self, x, keys):
        shape = tuple(x.shape[1:])
        free = int(np.broadcast_to(self._free(), shape).sum())
        fraction = noise.uniform(noise.fold(keys, 3), (1,) * len(shape))
        length = fraction ** (1.0 / max(free, 1))
        return self.project(x + self.radius * length * self._direction(x, keys), x)

    def surface(self, x, keys):
        return self.project(x + self.radius * self._direction(x, keys), x)

    def _direction(self, x, keys):
        """Unit vectors (B, ...), uniform on the sphere of the free features."""
        normal = noise.normal(keys, tuple(x.shape[1:]))
        return norms.unit(normal * self._free().astype("float32"))

    def distance(self, x_adv, x):
        return ops.reshape(norms.euclidean(x_adv - x), (-1,))
