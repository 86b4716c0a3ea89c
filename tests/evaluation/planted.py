"""Classifiers with a planted failure, for the checks of an audit: one cause each.

Inputs are FEATURES numbers in [0, 1]; the class is 1 where `margin(x)` is positive. All
examples of `data` are of class 1, at the given distance from 0.5 in the first feature.
"""

import dataclasses

import keras
import numpy as np
from keras import layers, ops

from keras_mpat import (
    AdversarialModel,
    Linf,
    SoftTripleHead,
    attacks,
    backend,
    objectives,
    training,
)

FEATURES = 6
BALL = Linf(0.2)
MARGIN = objectives.Margin(kappa=None)


@keras.saving.register_keras_serializable("planted")
@dataclasses.dataclass(frozen=True, eq=False)
class Suite(attacks.Attack):
    """AutoAttack in small: the same names, a few steps."""

    threat_model: Linf
    steps: int = 5
    queries: int = 40

    def stages(self, num_classes):
        few = {"steps": self.steps, "objective": MARGIN}
        toward = attacks.APGD(self.threat_model, target_classes="all", **few)
        return {
            "APGD-CE": attacks.APGD(self.threat_model, steps=self.steps),
            "APGD-T": toward,
            "Square": attacks.Square(self.threat_model, queries=self.queries),
        }

    def search(self, logits_fn, x, targets, keys):
        return x


@keras.saving.register_keras_serializable("planted")
@dataclasses.dataclass(frozen=True, eq=False)
class Forgetful(attacks.Attack):
    """Looks at what FGSM finds, and returns the clean input."""

    threat_model: Linf

    def search(self, logits_fn, x, targets, keys):
        found = attacks.FGSM(self.threat_model).search(logits_fn, x, targets, keys)
        logits_fn(found)
        return x


@keras.saving.register_keras_serializable("planted")
@dataclasses.dataclass(frozen=True, eq=False)
class OwnLabel(attacks.Attack):
    """PGD away from what is predicted at each point, which leads back once it fools."""

    threat_model: Linf
    steps: int = 10

    def search(self, logits_fn, x, targets, keys):
        x_adv = x
        for _ in range(self.steps):
            labels = ops.argmax(logits_fn(x_adv), axis=-1)
            step = attacks.PGD(
                self.threat_model,
                steps=1,
                step_size=0.4 * self.threat_model.radius,
                random_start=False,
            )
            goal = attacks.attack.Goal(logits_fn, x, labels, keys, step.objective)
            x_adv = step.ascend(goal, x, x_adv)
        return x_adv


@keras.saving.register_keras_serializable("planted")
class Function(layers.Layer):
    """A layer of one Python function of x (B, FEATURES) and its seed generator."""

    def __init__(self, function=None, **kwargs):
        super().__init__(**kwargs)
        self.function = function
        self.seeds = keras.random.SeedGenerator(1)
        self.count = self.add_weight(shape=(), initializer="zeros", trainable=False)

    def call(self, x):
        return self.function(x, self)

    def get_config(self):
        return {**super().get_config(), "function": self.function.__name__}


def model(function):
    """A classifier of `function(x, layer)` -> logits (B, C)."""
    inputs = keras.Input((FEATURES,))
    return keras.Model(inputs, Function(function)(inputs))


def of_margin(margin):
    """A classifier of two classes whose lead of class 1 is margin(x), (B,)."""

    def logits(x, layer):
        lead = margin(x)
        return ops.stack([-lead / 2, lead / 2], axis=-1)

    logits.__name__ = margin.__name__
    return model(logits)


def shift(x):
    """How far the first feature is above 0.5."""
    return x[:, 0] - 0.5


def data(distances=None, n=24):
    """(x, y): examples of class 1 at these distances from the border of `linear`."""
    if distances is None:
        distances = np.linspace(0.05, 0.35, n)
    x = np.full((len(distances), FEATURES), 0.5, "float32")
    x[:, 0] += distances
    x[:, 1:] += 0.01 * np.random.default_rng(0).normal(size=(len(x), FEATURES - 1))
    return x, np.ones(len(x), "int32")


def linear(x):
    return 2 * shift(x) + 0.01 * ops.sum(x[:, 1:] - 0.5, axis=-1)


def steep(x):
    return 2000 * linear(x)


def sharp(x):
    return 60 * linear(x)


def off_grid(x):
    """The border lies between two of 256 grey levels, nearer to the upper one."""
    return 2 * (x[:, 0] - 127.8 / 255)


def flat(x):
    return ops.stop_gradient(linear(x))


def stairs(x):
    return ops.round(40 * linear(x)) / 40 + 0.001


def wrong_gradient(x):
    other = ops.sum(x * np.array([0, 3, -2, 1, 2, -3], "float32"), axis=-1)
    return ops.stop_gradient(linear(x) - other) + other


def bump(x):
    """Falls, rises and falls again toward smaller x: short steps end in the dip."""
    u = x[:, 0] - 0.6  # data at 0: u = 0 and below
    relu = ops.relu
    return 1 - 5 * relu(-u) + 12 * relu(-u - 0.05) - 22 * relu(-u - 0.1)


def valley(x):
    """Fooled between 0.3 and 0.7 of epsilon, not at its end: one step is too long."""
    u = ops.abs(x[:, 0] - 0.6 + 0.1) / 0.05
    return u - 1


def chained(x):
    """Only the largest of the features has a gradient: they fall one by one."""
    return 2 * (ops.max(x, axis=-1) - 0.35)


def lucky(x):
    """Flat but for a corner that one start in about a dozen meets."""
    there = ops.relu(0.36 - x[:, 0]) * ops.relu(x[:, 1] - 0.55)
    return 0.1 - 1e4 * ops.relu(there - 1e-4)


def saturating(x):
    return 20 * (ops.mean(ops.clip((x - 0.45) / 0.1, 0.0, 1.0), axis=-1) - 0.35)


def softmax(x, layer):
    lead = linear(x)
    return ops.softmax(ops.stack([-lead, lead], axis=-1))


def hard_labels(x, layer):
    """The class alone, ten times one-hot: a score that no small step changes."""
    lead = linear(x)
    return 10 * ops.one_hot(ops.cast(lead > 0, "int32"), 2)


def inference_step(x, layer):
    """Moves the input toward what it predicts, by gradients, before it predicts."""

    def logits(z):
        lead = ops.relu(linear(z)) - ops.relu(-linear(z))
        return ops.stack([-lead, lead], axis=-1)

    guess = ops.argmax(logits(x), axis=-1)

    def confidence(z):
        rows = logits(z)
        return -objectives.CrossEntropy()(guess, rows), rows

    return logits(x + 0.1 * ops.sign(backend.input_gradient(confidence, x)[0]))


def sigmoid_features(x):
    """A feature that is 1 to the last digit, until it is 0."""
    return ops.sigmoid(1000.0 * linear(x)) - 0.5


def noisy(x, layer):
    lead = linear(x) + 0.3 * keras.random.normal((ops.shape(x)[0],), seed=layer.seeds)
    return ops.stack([-lead, lead], axis=-1)


def batch_mean(x, layer):
    lead = linear(x) - 0.5 * ops.mean(linear(x))
    return ops.stack([-lead, lead], axis=-1)


def counting(x, layer):
    layer.count.assign(layer.count + 1)
    lead = linear(x)
    return ops.stack([-lead, lead], axis=-1)


def decoy(x, layer):
    """Cross-entropy climbs toward a class that can never win, away from the rival."""
    u = shift(x) / 0.2 - 1
    return ops.stack([-4 - 5.5 * u, ops.zeros_like(u), 3 * u - 3.1], axis=-1)


def overflowing(x, layer):
    """Class 0 leads where `linear` is positive; times 10 000 both are infinite."""
    base = -1e37 * ops.ones_like(x[:, 0])
    return ops.stack([base, base * (1 + 0.1 * linear(x))], axis=-1)


def dense():
    """`linear` as a net of stock layers, whose bounds can be certified."""
    net = keras.Sequential([keras.Input((FEATURES,)), layers.Dense(2)])
    kernel = np.zeros((FEATURES, 2), "float32")
    kernel[0] = -1.0, 1.0
    net.set_weights([kernel, np.array([0.5, -0.5], "float32")])
    return net


def headed():
    """An `AdversarialModel` with a SoftTriple head on a net that `linear` describes."""
    inputs = keras.Input((FEATURES,))
    hidden = layers.Dense(3, name="hidden")
    outputs = layers.Dense(2)
    net = keras.Model(inputs, outputs(hidden(inputs)))
    kernel = np.zeros((FEATURES, 3), "float32")
    kernel[0, 0], kernel[1, 1], kernel[2, 2] = 1.0, 0.3, 0.3
    hidden.set_weights([kernel, np.array([-0.5, -0.15, -0.15], "float32")])
    outputs.set_weights([np.array([[-1.0, 1.0], [0, 0], [0, 0]]), np.zeros(2)])
    head = SoftTripleHead(2, prototypes_per_class=2)
    return AdversarialModel(net, strategy=training.StandardTraining(), head=head)
