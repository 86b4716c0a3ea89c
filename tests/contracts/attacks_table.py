"""Every attack that must keep the promises of `test_attacks.py`: one row each.

A new attack is a new row here and no new test.
"""

import dataclasses
import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from keras_mpat import attacks
from keras_mpat.evaluation import Detector, DetectorAttack
from keras_mpat.layers import SoftTripleHead
from keras_mpat.objectives import DLR, Margin
from keras_mpat.threat_models import L2, Linf

# From a random start a linear model is solved exactly when the step dwarfs the ball.
FAR = {"step_size": 50.0}


@dataclass(frozen=True)
class Row:
    """One attack.

    Args:
        make: threat model -> attack; the attack's lengths must follow epsilon.
        random: another seed gives another result.
        climbs: it follows the gradient, so it beats noise and solves linear models.
        linear: fields to replace so that its steps suffice on a linear model.
        nearest: it looks for the closest misclassified point and goes no further:
            what is wrong already stays, and a linear model is solved by its distance
            (`tests/attacks/test_fab.py`), not by the far side of the ball.
        norms: the threat models that it takes.
        holds: it holds a model of its own, whose inputs are in [0, 1].
    """

    make: Callable[[Any], attacks.Attack]
    random: bool = False
    climbs: bool = True
    linear: dict = field(default_factory=dict)
    nearest: bool = False
    norms: tuple = (Linf, L2)
    holds: bool = False


@functools.cache
def templates():
    """(images, embeddings, classes): a net that compares digits with class means.

    Its embedding is its logits, x · mean - |mean|² / 2.
    """
    from sklearn.datasets import load_digits

    pixels, classes = load_digits(return_X_y=True)
    pixels = (pixels[:500] / 16).astype("float32")
    classes = classes[:500]
    means = np.stack([pixels[classes == c].mean(axis=0) for c in range(10)])
    net = keras.Sequential(
        [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(10)],
        name="templates",
    )
    bias = -0.5 * np.sum(means**2, axis=1)
    net.set_weights([means.T, bias])
    return net, pixels @ means.T + bias, classes


@functools.cache
def unit_prototypes():
    """A head with two prototypes near each axis: those of `templates`."""
    head = SoftTripleHead(10, prototypes_per_class=2)
    head.build((None, 10))
    head.built = True
    near = 0.2 * np.random.default_rng(0).normal(size=(10, 2, 10))
    head.prototypes.assign(np.eye(10)[:, None] + near)
    return head


def latent(ball, objective, **options):
    """A `LatentAttack` on the parts above."""
    parts = {"features": templates()[0], "head": unit_prototypes()}
    return attacks.LatentAttack(ball, objective=objective, **parts, **options)


def matching():
    """Feature matching with the embeddings of 500 digits."""
    _, embeddings, classes = templates()
    return attacks.FeatureMatching(embeddings, classes, neighbors=2)


def detecting(ball, **options):
    """A `DetectorAttack` on the net of `templates`."""
    net, embeddings, classes = templates()
    detector = Detector("tied").fit(embeddings, classes)
    return DetectorAttack(ball, features=net, detector=detector, **options)


@dataclass(frozen=True)
class Norm:
    """A threat model class and a radius at which digits are fooled often."""

    ball: type
    epsilon: float


ROWS = [
    Row(lambda ball: attacks.FGSM(ball)),
    Row(lambda ball: attacks.RFGSM(ball), random=True, linear=FAR),
    Row(lambda ball: attacks.BIM(ball, steps=3, objective=Margin(50.0))),
    Row(lambda ball: attacks.PGD(ball, steps=3), random=True, linear=FAR),
    Row(
        lambda ball: attacks.PGD(ball, steps=2, restarts=2, freeze=True),
        random=True,
        linear=FAR,
    ),
    Row(
        lambda ball: attacks.PGD(ball, steps=3, target=attacks.LeastLikely()),
        random=True,
        linear=FAR,
    ),
    Row(lambda ball: attacks.MIM(ball, steps=3)),
    Row(lambda ball: attacks.CW(ball, steps=2, restarts=2), random=True, linear=FAR),
    Row(
        lambda ball: attacks.APGD(ball, steps=4),
        random=True,
        linear={"steps": 20, "restarts": 2},
    ),
    Row(
        lambda ball: attacks.APGD(ball, steps=3, objective=DLR(), target_classes=2),
        random=True,
        linear={"steps": 20, "objective": Margin(None)},
    ),
    Row(
        lambda ball: attacks.MultiTargeted(ball, steps=3, target_classes=2),
        random=True,
        linear={"steps": 20},
    ),
    Row(
        lambda ball: attacks.MarginDecomposition(ball, steps=4),
        random=True,
        linear={"steps": 20},
    ),
    Row(
        lambda ball: attacks.ConstraintRelaxation(ball, cycles=1, steps=6),
        random=True,
        linear={"steps": 30},
    ),
    Row(lambda ball: attacks.FAB(ball, steps=2, target_classes=2), nearest=True),
    Row(
        lambda ball: attacks.FAB(ball, steps=2, target_classes=None, restarts=2),
        random=True,
        nearest=True,
    ),
    Row(
        lambda ball: attacks.FMN(ball, steps=4, restarts=2),
        random=True,
        nearest=True,
    ),
    Row(
        lambda ball: attacks.CWL2(
            ball, steps=10, binary_search_steps=2, learning_rate=0.1, initial_const=1.0
        ),
        nearest=True,
        norms=(L2,),
    ),
    Row(lambda ball: attacks.RandomNoise(ball, restarts=2), random=True, climbs=False),
    Row(
        lambda ball: attacks.Square(ball, queries=20, restarts=2),
        random=True,
        climbs=False,
    ),
    Row(
        lambda ball: attacks.WorstCase([attacks.RandomNoise(ball), attacks.FGSM(ball)])
    ),
    Row(lambda ball: attacks.NearMiss(attacks.FGSM(ball)), norms=(Linf,)),
    Row(
        lambda ball: attacks.Transfer(
            attacks.PGD(ball, steps=3, restarts=2), surrogate=templates()[0]
        ),
        random=True,
        climbs=False,
        norms=(Linf,),
        holds=True,
    ),
    Row(
        lambda ball: latent(ball, attacks.TowardPrototype(2), steps=3),
        random=True,
        climbs=False,
        norms=(Linf,),
        holds=True,
    ),
    Row(
        lambda ball: latent(ball, matching(), steps=2, margin_steps=1),
        random=True,
        climbs=False,
        norms=(L2,),
        holds=True,
    ),
    Row(
        lambda ball: detecting(ball, steps=3),
        random=True,
        climbs=False,
        norms=(Linf,),
        holds=True,
    ),
]
NORMS = [Norm(Linf, 0.1), Norm(L2, 1.0)]
CASES = [(row, norm) for norm in NORMS for row in ROWS if norm.ball in row.norms]


def short(value) -> str:
    """The class and the fields that are not the default: "PGD(steps=4)"."""
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(short(item) for item in value) + "]"
    if isinstance(value, (np.ndarray, keras.Layer, Detector)):
        return type(value).__name__
    if not dataclasses.is_dataclass(value):
        return repr(value)
    told = []
    for item in dataclasses.fields(value):
        current = getattr(value, item.name)
        default = item.default
        if item.default_factory is not dataclasses.MISSING:
            default = item.default_factory()
        if item.name == "threat_model":
            continue
        if default is dataclasses.MISSING or current != default:
            told.append(f"{item.name}={short(current)}")
    return f"{type(value).__name__}({', '.join(told)})"


IDS = [
    f"{norm.ball.__name__}-{short(row.make(norm.ball(norm.epsilon)))}"
    for row, norm in CASES
]


def build(row, norm, epsilon=None, **fields):
    """The attack of a row in a ball of that norm."""
    return row.make(norm.ball(norm.epsilon if epsilon is None else epsilon, **fields))


def random_images():
    """16 images (8, 8, 1), partly at the edges of the box."""
    x = np.random.default_rng(0).uniform(size=(16, 8, 8, 1)).astype("float32")
    x[:, :2], x[:, 2:4] = 0.0, 1.0
    return x


def labels():
    """One of ten labels for each of the 16 images."""
    return (np.arange(16) % 10).astype("int32")
