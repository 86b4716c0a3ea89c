"""From a clean net to a robust one, at a fraction of the cost of training anew.

    python examples/finetune.py --dataset mnist --run_dir runs/finetune

A net that was trained without an adversary is made robust in two stages: first its
last layer and the head, on frozen features, then the whole net while epsilon grows from
0. The same net is trained from scratch, with the same budget and with the full one. At
the end, the weights between the clean and the robust net: one curve of accuracy against
robustness. What is done is on disk, so an interrupted run continues.
"""

import sys
import time

import keras
from absl import app, flags
from run_directory import RunDirectory

import keras_mpat as mpat
from keras_mpat.evaluation import evaluate_robustness, plots

BATCH, PROTOTYPES, SHARES = 128, 5, (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


class Recipe:
    """The data, the threat model and the trainings of one data set."""

    def __init__(self, dataset: str, data_dir: str | None, limit: int | None):
        self.dataset = dataset
        self.info = mpat.datasets.info(dataset, data_dir=data_dir)
        self.ball = mpat.Linf(self.info.epsilon)
        self.where = {"data_dir": data_dir, "limit": limit, "batch_size": BATCH}
        x, y, _ = mpat.datasets.arrays(dataset, "test", data_dir=data_dir)
        self.test = (x[:limit], y[:limit])

    def net(self) -> keras.Model:
        """An untrained classifier."""
        info = self.info
        options = {"mean": info.mean, "std": info.std} if info.mean else {}
        options["input_shape"] = info.input_shape
        return mpat.models.lenet(info.num_classes, **options)

    def train(self, classifier, strategy, *, epochs: int, rate: float) -> None:
        """Trains what is trainable of `classifier`, in place."""
        adversary = strategy.threat_model is not None
        classes = self.info.num_classes
        head = mpat.SoftTripleHead(classes, prototypes_per_class=PROTOTYPES)
        model = mpat.AdversarialModel(
            classifier, strategy=strategy, head=head if adversary else None
        )
        train = mpat.datasets.load(self.dataset, "train", **self.where)
        total = len(train) * epochs
        schedule = mpat.schedules.CyclicLearningRate(rate / 100, rate, total)
        model.compile(keras.optimizers.Adam(schedule), metrics=["accuracy"])
        model.fit(train, epochs=epochs, verbose=2)

    def clean(self, *, epochs: int) -> keras.Model:
        """Training without an adversary."""
        classifier = self.net()
        strategy = mpat.training.StandardTraining()
        self.train(classifier, strategy, epochs=epochs, rate=3e-3)
        return classifier

    def scratch(self, *, epochs: int) -> keras.Model:
        """Adversarial training from random weights; epsilon grows in a sixth of it."""
        classifier = self.net()
        strategy = mpat.training.PGDTraining(
            self.ball, steps=7, warmup_epochs=max(1, epochs // 6)
        )
        self.train(classifier, strategy, epochs=epochs, rate=3e-3)
        return classifier

    def robust_from(self, classifier, *, epochs: int) -> keras.Model:
        """Two stages: one epoch of the last layer, then all, epsilon from 0 in each."""
        strategy = mpat.training.PGDTraining(self.ball, steps=7, warmup_epochs=1)
        for layer in classifier.layers[:-1]:
            layer.trainable = False
        self.train(classifier, strategy, epochs=1, rate=3e-3)
        for layer in classifier.layers:  # of the model itself, Keras thaws nothing
            layer.trainable = True
        self.train(classifier, strategy, epochs=epochs - 1, rate=3e-3)
        return classifier

    def scores(self, classifier, steps: int) -> tuple[float, float]:
        """Clean and robust accuracy on the test images, under PGD."""
        size = self.ball.radius / (10 if steps >= 100 else 4)
        attack = mpat.attacks.PGD(self.ball, steps=steps, step_size=size)
        result = evaluate_robustness(classifier, self.test, attack, verbose=False)
        return result.clean_accuracy, result.robust_accuracy


def finetune(recipe: Recipe, run: RunDirectory, *, clean: int, tuned: int, full: int):
    """Trains what is missing; [minutes, clean, robust accuracy] by title."""
    trainings = {
        "clean": (f"clean, {clean} epochs", lambda: recipe.clean(epochs=clean)),
        "tuned": (
            f"then robust, {tuned} epochs",
            lambda: recipe.robust_from(load(run, "clean"), epochs=tuned),
        ),
        "short": (
            f"from scratch, the same {tuned} epochs",
            lambda: recipe.scratch(epochs=tuned),
        ),
        "full": (
            f"from scratch, in full: {full} epochs",
            lambda: recipe.scratch(epochs=full),
        ),
    }
    for name, (title, train) in trainings.items():
        if name in run.record():
            continue
        print(f"\n{title}", flush=True)
        keras.utils.set_random_seed(0)
        start = time.perf_counter()
        classifier = train()
        minutes = (time.perf_counter() - start) / 60
        run.save(classifier, run.path / f"{name}.keras")
        run.update(**{name: [minutes, *recipe.scores(classifier, steps=100)]})
    record = run.record()
    return {title: record[name] for name, (title, _) in trainings.items()}


def load(run: RunDirectory, name: str) -> keras.Model:
    """A classifier that an earlier stage saved."""
    return keras.models.load_model(run.path / f"{name}.keras")


def curve(recipe: Recipe, run: RunDirectory) -> list[list[float]]:
    """Clean and robust accuracy of the weights between clean and robust."""
    if "curve" not in run.record():
        ends = load(run, "clean"), load(run, "tuned")
        nets = (mpat.models.interpolate(*ends, share) for share in SHARES)
        run.update(curve=[recipe.scores(net, steps=20) for net in nets], finished=True)
    return run.record()["curve"]


def report(recipe: Recipe, run: RunDirectory, **epochs: int) -> None:
    """Runs what is missing, prints both tables and draws the curve."""
    rows = finetune(recipe, run, **epochs)
    print("\n| training | minutes | clean, % | PGD-100, % |\n| --- | --- | --- | --- |")
    for title, (minutes, clean, robust) in rows.items():
        print(f"| {title} | {minutes:.1f} | {100 * clean:.2f} | {100 * robust:.2f} |")
    points = curve(recipe, run)
    print("\n| share of the robust net | clean, % | PGD-20, % |\n| --- | --- | --- |")
    for share, (clean, robust) in zip(SHARES, points, strict=True):
        print(f"| {share:.1f} | {100 * clean:.2f} | {100 * robust:.2f} |")
    picture = run.path / "trade_off.png"
    plots.trade_off(SHARES, points, picture, title=recipe.dataset)
    print(f"\nPGD only, not audited. Picture: {picture}")


def main(arguments: list[str]) -> None:
    """Runs the comparison as the flags say."""
    if len(arguments) > 1:
        raise app.UsageError(f"Unexpected argument {arguments[1]!r}; flags begin --.")
    mpat.keep_memory()
    given = flags.FLAGS
    epochs = {name: given[name].value for name in ("clean", "tuned", "full")}
    settings = {"dataset": given.dataset, "limit": given.limit, **epochs}
    try:
        run = RunDirectory(given.run_dir, settings)
        recipe = Recipe(given.dataset, given.data_dir, given.limit)
        run.update(settings=settings)
        report(recipe, run, **epochs)
    except (ValueError, FileNotFoundError, ImportError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    flags.DEFINE_string("dataset", "digits", "A data set of small images.")
    flags.DEFINE_string("data_dir", None, "Folder of prepared data.")
    flags.DEFINE_string("run_dir", "runs/finetune", "Where nets and figures go.")
    flags.DEFINE_integer("limit", None, "First images of each split.", lower_bound=128)
    flags.DEFINE_integer("clean", 3, "Epochs of the clean training.", lower_bound=1)
    flags.DEFINE_integer("tuned", 5, "Epochs of the fine-tuning.", lower_bound=2)
    flags.DEFINE_integer("full", 15, "Epochs from scratch.", lower_bound=1)
    app.run(main)
