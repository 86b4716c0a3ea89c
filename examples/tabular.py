"""Beyond images: a table whose columns have their own units, ranges and adversary.

    python examples/tabular.py

The 569 tumors of scikit-learn's breast cancer table, 30 measurements each. The
adversary may move a measurement by 0.3 of its standard deviation, within the range
that was ever measured, but not the columns that end in "error". The same MLP is trained
with and without it; then both are attacked. Half a minute.
"""

import keras
import numpy as np
from absl import app, flags
from keras import layers
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

import keras_mpat as mpat
from keras_mpat.evaluation import evaluate_robustness, robustness_table

SHARE_OF_DEVIATION = 0.3


def table(seed: int = 0):
    """(x, y) in training, (x, y) in test, names of the columns."""
    source = load_breast_cancer()
    x, y = source.data.astype("float32"), source.target.astype("int32")
    x, x_test, y, y_test = train_test_split(
        x, y, test_size=0.3, stratify=y, random_state=seed
    )
    lowest, highest = source.data.min(axis=0), source.data.max(axis=0)
    bounds = lowest.astype("float32"), highest.astype("float32")
    return (x, y), (x_test, y_test), bounds, list(source.feature_names)


def adversary(x: np.ndarray, bounds, names: list[str]) -> mpat.Linf:
    """One epsilon and one range per column, in its own unit; some cannot move."""
    return mpat.Linf(
        SHARE_OF_DEVIATION * x.std(axis=0),
        bounds=bounds,
        mutable=np.array(["error" not in name for name in names]),
    )


def net(x: np.ndarray, num_classes: int = 2) -> keras.Model:
    """An MLP that brings the columns to one scale by itself."""
    scale = layers.Normalization(mean=x.mean(axis=0), variance=x.var(axis=0))
    return keras.Sequential(
        [
            keras.Input(x.shape[1:]),
            scale,
            layers.Dense(32, activation="relu"),
            layers.Dense(32, activation="relu"),
            layers.Dense(num_classes),
        ]
    )


def train(data, strategy, *, epochs: int, seed: int = 0) -> keras.Model:
    """A classifier trained by `strategy`, with a head when there is an adversary."""
    keras.utils.set_random_seed(seed)
    head = mpat.SoftTripleHead(2, prototypes_per_class=3)
    robust = strategy.threat_model is not None
    model = mpat.AdversarialModel(
        net(data[0]), strategy=strategy, head=head if robust else None, seed=seed
    )
    model.compile(keras.optimizers.Adam(3e-3), metrics=["accuracy"])
    model.fit(*data, batch_size=32, epochs=epochs, verbose=0)
    return model.classifier


def main(_) -> None:
    """Trains both, attacks both, prints one table."""
    training, test, bounds, names = table()
    ball = adversary(training[0], bounds, names)
    strategies = {
        "standard": mpat.training.StandardTraining(),
        "MPAT-PGD": mpat.training.PGDTraining(ball, steps=7),
    }
    attacks = {"PGD-50 x 5": mpat.attacks.PGD(ball, steps=50, restarts=5)}
    attacks["CW-50 x 5"] = mpat.attacks.CW(ball, steps=50, restarts=5)
    epochs = flags.FLAGS.epochs
    results = {
        name: evaluate_robustness(
            train(training, strategy, epochs=epochs), test, attacks, verbose=False
        )
        for name, strategy in strategies.items()
    }
    print(robustness_table(results, attacks))


if __name__ == "__main__":
    flags.DEFINE_integer("epochs", 60, "Passes over the table.", lower_bound=1)
    app.run(main)
