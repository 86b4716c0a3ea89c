"""Small image classifiers with a planted failure that only training brings about.

python -m tests.evaluation.planted_nets    # the saturating net, on MNIST: minutes
"""

import dataclasses
import functools
import tempfile
import warnings

import keras
import numpy as np
from keras import layers, ops

import keras_mpat as mpat
from keras_mpat import attacks, datasets, objectives
from tests.evaluation.asked import answer
from tests.evaluation.planted import Function, Suite

MARGIN = objectives.Margin(kappa=None)
LOW, WIDTH = 0.31, 0.38  # of the inputs between which `saturated` rises


@dataclasses.dataclass(frozen=True)
class Trial:
    """A data set, the ball, and how long to train on it."""

    ball: mpat.Linf
    name: str = "digits"
    train: int = 1400
    test: int = 64
    epochs: int = 15
    filters: tuple[int, int] = (8, 16)
    steps: int = 5

    def arrays(self, split):
        """(x, y), the first of a split."""
        x, y, _ = datasets.arrays(self.name, split)
        count = self.train if split == "train" else self.test
        return x[:count], y[:count]

    def fitted(self, net, attack=None, loss=None):
        """The net, trained: on adversarial examples where there is an attack."""
        strategy = mpat.training.StandardTraining()
        if attack is not None:
            strategy = mpat.training.AdversarialTraining(attack)
        keras.utils.set_random_seed(1)
        model = mpat.AdversarialModel(net, strategy=strategy)
        total = self.epochs * (self.train // 64)
        rate = mpat.schedules.CyclicLearningRate(1e-4, 5e-3, total)
        options = {} if loss is None else {"loss": loss}
        model.compile(keras.optimizers.Adam(rate), metrics=["accuracy"], **options)
        with warnings.catch_warnings():  # the first two epochs are slow: it is said
            warnings.simplefilter("ignore")
            data = self.arrays("train")
            model.fit(*data, batch_size=64, epochs=self.epochs, verbose=0)
        return net


DIGITS = Trial(mpat.Linf(0.2))
MNIST = Trial(mpat.Linf(0.3), "mnist", 6000, 300, 10, (16, 32), 10)


def saturated(x, layer=None):
    """What reaches the net: (x - 0.31) / 0.38, cut to [0, 1]."""
    return ops.clip((x - LOW) / WIDTH, 0.0, 1.0)


def straight_through(x, layer=None):
    """The same values, with the gradient of (x - 0.31) / 0.38 everywhere."""
    line = (x - LOW) / WIDTH
    return line + ops.stop_gradient(saturated(x) - line)


def behind(front, net):
    """A classifier of front(x)."""
    inputs = keras.Input(net.input_shape[1:])
    return keras.Model(inputs, net(Function(front)(inputs)))


def lenet(trial):
    """An untrained LeNet for a trial."""
    shape = trial.arrays("test")[0].shape[1:]
    keras.utils.set_random_seed(0)
    return mpat.models.lenet(
        10, input_shape=shape, filters=trial.filters, mean=0.0, std=1.0
    )


def sound(trial):
    """Trained by PGD, without a failure: what the others are compared with."""
    return trial.fitted(lenet(trial), attacks.PGD(trial.ball, steps=trial.steps))


def saturating(trial):
    """(classifier, the net behind its input layer), trained by PGD on pixels."""
    net = lenet(trial)
    attack = attacks.PGD(trial.ball, steps=trial.steps)
    return trial.fitted(behind(saturated, net), attack), net


def overfitted(trial):
    """Trained by FGSM from the image itself until it withstands nothing else."""
    return trial.fitted(lenet(trial), attacks.FGSM(trial.ball))


def largest(hidden, layer=None):
    """k-WTA: a tenth of the units keep their value, the others are 0."""
    least = ops.top_k(hidden, hidden.shape[-1] // 10)[0][..., -1:]
    return ops.where(hidden >= least, hidden, 0.0)


def k_wta(trial):
    """A dense net with k-WTA (Xiao et al., arXiv:1905.10510), trained by PGD."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input(trial.arrays("test")[0].shape[1:])
    hidden = layers.Flatten()(inputs)
    for _ in range(2):
        hidden = Function(largest)(layers.Dense(256)(hidden))
    net = keras.Model(inputs, layers.Dense(10)(hidden))
    return trial.fitted(net, attacks.PGD(trial.ball, steps=trial.steps))


class Squeezed(keras.losses.Loss):
    """Cross-entropy and half of the length of the logits."""

    def call(self, y_true, y_pred):
        length = ops.sqrt(ops.sum(y_pred**2, axis=-1) + 1e-9)
        return objectives.CrossEntropy()(ops.cast(y_true, "int32"), y_pred) + length / 2


def squeezed(trial):
    """Gaussian noise and logit squeezing (Kannan et al., arXiv:1803.06373)."""
    net = lenet(trial)
    noise = layers.GaussianNoise(0.5)
    model = keras.Sequential([keras.Input(net.input_shape[1:]), noise, net])
    model.compile(keras.optimizers.Adam(3e-3), Squeezed())
    epochs = 2 * trial.epochs
    model.fit(*trial.arrays("train"), batch_size=64, epochs=epochs, verbose=0)
    return net


@keras.saving.register_keras_serializable("planted")
@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class InImage(attacks.model_attack.ModelAttack):
    """Margin PGD on the net behind `saturated`, in the exact image of the ball."""

    threat_model: mpat.Linf
    _: dataclasses.KW_ONLY
    net: keras.Model
    steps: int = 100
    restarts: int = 5

    def runs(self, num_classes):
        return self.restarts

    def run(self, logits_fn, x, targets, keys, number):
        radius = self.threat_model.radius
        ends = [self.threat_model.box(x + r) for r in (-radius, radius)]
        low, high = map(saturated, ends)
        share = mpat.noise.uniform(mpat.noise.fold(keys, number), x.shape[1:], 0.0, 1.0)

        def goal(u):
            logits = ops.cast(self.net(u, training=False), "float32")
            return MARGIN(targets, logits), logits

        def step(i, state):
            u, best, value = state
            gradient, lead = mpat.backend.input_gradient(goal, u)[:2]
            better = lead > value
            shaped = ops.reshape(better, (-1,) + (1,) * (len(x.shape) - 1))
            best, value = ops.where(shaped, u, best), ops.where(better, lead, value)
            length = 0.5 * (1.0 - ops.cast(i, "float32") / self.steps)
            moved = u + length * (high - low) * ops.sign(gradient)
            return ops.clip(moved, low, high), best, value

        u = low + share * (high - low)
        state = (u, u, -float("inf") * ops.ones_like(u[:, 0, 0, 0]))
        best = mpat.backend.loop(self.steps, step, state)[1]
        return ops.clip(LOW + WIDTH * best, *ends)

    def search(self, logits_fn, x, targets, keys):
        goal = attacks.attack.Goal(logits_fn, x, targets, keys, MARGIN)
        runs = functools.partial(self.run, logits_fn, x, targets, keys)
        return attacks.attack.worst_of(self.restarts, runs, goal)


def main() -> None:
    """Trains on MNIST and prints what each attack leaves, and what two checks say."""
    classifier, net = saturating(MNIST)
    ball, data = MNIST.ball, MNIST.arrays("test")
    mask = behind(straight_through, net)
    apgd = attacks.APGD(ball, objective=MARGIN, target_classes=3)
    judges = {
        "PGD-100": attacks.PGD(ball, steps=100),
        "APGD-T": attacks.APGD(ball, objective=objectives.DLR(), target_classes=9),
        "FAB": attacks.FAB(ball, target_classes=3),
        "Square": attacks.Square(ball),
        "straight through": attacks.Transfer(apgd, surrogate=mask),
        "in the image": InImage(ball, net=net),
    }
    found = mpat.evaluation.evaluate_robustness(classifier, data, judges, verbose=False)
    left = np.array(found.clean)
    print(f"clean {100 * left.mean():.2f}")
    for stage in found.stages:
        left &= stage.correct
        alone = 100 * stage.accuracy
        print(f"{stage.name}: alone {alone:.2f}, after it {100 * left.mean():.2f}")
    suite = Suite(ball, steps=50, queries=5000)
    with tempfile.TemporaryDirectory() as folder:
        for number in ("C12", "C37", "C38"):
            options = {"xy": data, "ball": ball, "attack": suite, "folder": folder}
            said = answer(number, classifier, **options)
            print(f"{number} {said.status} ({said.severity}): {said.text}")


if __name__ == "__main__":
    main()
