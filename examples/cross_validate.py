"""Scores each of the 1 797 digits by a net that never saw it, clean and attacked.

    python examples/cross_validate.py --run_dir runs/cross_validate

Five stratified folds of scikit-learn's digits; PGD training at epsilon 0.13 with the
SoftTriple head; PGD-100 with five restarts at 0.1 on the fold left out. A finished fold
is a file, so an interrupted run continues. About one minute a fold on two cores.
"""

import time
from pathlib import Path

import keras
import numpy as np
from absl import app, flags
from sklearn.model_selection import StratifiedKFold

import keras_mpat as mpat
from keras_mpat.evaluation import RobustnessResult, evaluate_robustness, wilson_interval

FOLDS, EPOCHS, BATCH, RATE = 5, 40, 64, 3e-3
TRAINED_AT = mpat.Linf(0.13)  # a wider ball than the one that is tested
ATTACK = mpat.attacks.PGD(mpat.Linf(0.1), steps=100, step_size=0.01, restarts=5)


def train(x, y, seed: int) -> keras.Model:
    """A robust classifier of the digits (N, 8, 8, 1)."""
    keras.utils.set_random_seed(seed)
    info = mpat.datasets.info("digits")
    classifier = mpat.models.lenet(
        10,
        input_shape=info.input_shape,
        filters=(64, 128),
        units=256,
        mean=info.mean,
        std=info.std,
    )
    model = mpat.AdversarialModel(
        classifier,
        strategy=mpat.training.PGDTraining(TRAINED_AT, steps=7, warmup_epochs=5),
        head=mpat.SoftTripleHead(10, prototypes_per_class=5),
        seed=seed,
    )
    steps = EPOCHS * (len(x) // BATCH)
    rate = mpat.schedules.CyclicLearningRate(RATE / 100, RATE, steps)
    model.compile(keras.optimizers.Adam(rate), metrics=["accuracy"])
    train = mpat.datasets.from_arrays(
        x, y, batch_size=BATCH, shuffle=True, seed=seed, drop_remainder=True
    )
    model.fit(train, epochs=EPOCHS, verbose=0)
    return model.classifier


def main(_) -> None:
    """Runs the folds that are not done, prints each and the total."""
    folder = Path(flags.FLAGS.run_dir)
    folder.mkdir(parents=True, exist_ok=True)
    x, y, _ = mpat.datasets.arrays("digits", "all")
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(x, y)
    results = []
    for number, (rest, held) in enumerate(folds):
        path = folder / f"fold-{number}.json"
        if not path.exists():
            start = time.perf_counter()
            classifier = train(x[rest], y[rest], seed=number)
            print(f"fold {number}: trained in {time.perf_counter() - start:.0f} s")
            data = (x[held], y[held])
            evaluate_robustness(classifier, data, ATTACK, verbose=False).save(path)
        results.append(RobustnessResult.load(path))
        last = results[-1]
        print(f"fold {number}: {_line([last.clean])} clean, {_line([last.robust])}")
    print(f"all {len(x)}: {_line([r.clean for r in results])} clean")
    print(f"PGD-100 x 5 at 0.1: {_line([r.robust for r in results])}")
    print("PGD-type attacks only, not audited.")


def _line(parts) -> str:
    flags_ = np.concatenate(parts)
    low, high = wilson_interval(int(flags_.sum()), len(flags_))
    return f"{100 * flags_.mean():.2f} % ({100 * low:.1f}-{100 * high:.1f})"


if __name__ == "__main__":
    flags.DEFINE_string("run_dir", "runs/cross_validate", "Folder of the folds.")
    app.run(main)
