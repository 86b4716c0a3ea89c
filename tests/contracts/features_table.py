"""Every feature of Keras that a training may use, one row each: a check of its effect.

A row takes a strategy and fails unless Keras' feature does with it what it does with a
plain model. What does not combine stands in `REFUSED`, with a part of the message that
names it. `python -m tests.contracts.write_features` writes the table of the README.
"""

import warnings

import keras
import numpy as np

import keras_mpat as mpat
from keras_mpat import training
from tests import toy

BALL = mpat.Linf(0.1)
BATCH = 16
X, Y = toy.data(32)
STRATEGIES = {
    "PGD": training.PGDTraining(BALL, steps=2),
    "Fast": training.FastTraining(BALL),
    "Free": training.FreeTraining(BALL, replays=2, batch_size=BATCH),
}
BACKENDS = {"tensorflow": "TensorFlow", "jax": "JAX"}


def model(strategy, *, optimizer=None, robust=False, **compile_arguments):
    """A compiled model with BatchNorm and a head; eager unless a row compiles it."""
    attack = mpat.attacks.FGSM(BALL) if robust else None
    adversarial = mpat.AdversarialModel(
        toy.net(), strategy=strategy, head=toy.head(), validation_attack=attack
    )
    arguments = {"run_eagerly": True, "metrics": ["accuracy"], **compile_arguments}
    optimizer = optimizer or keras.optimizers.SGD(0.1, momentum=0.9)
    adversarial.compile(optimizer, **arguments)
    return adversarial


def fit(adversarial, x=X, y=Y, *, epochs=1, batch_size=BATCH, **kwargs):
    """The history of a silent `fit` in the order of the data."""
    if y is not None:
        kwargs["batch_size"] = batch_size
    kwargs = {"shuffle": False, "verbose": 0, **kwargs}
    return adversarial.fit(x, y, epochs=epochs, **kwargs).history


def weights(adversarial):
    """All weights of training."""
    return toy.values(adversarial.variables)


def trained(strategy, *data, optimizer=None, **fit_arguments):
    """The weights after one eager epoch."""
    adversarial = model(strategy, optimizer=optimizer)
    fit(adversarial, *data, **fit_arguments)
    return weights(adversarial)


def validation_data(strategy):
    history = fit(model(strategy, robust=True), validation_data=(X[:20], Y[:20]))
    names = ("loss", "accuracy", "robust_accuracy", "worst_class_robust_accuracy")
    assert all(f"val_{name}" in history for name in names)
    (robust,), (worst,) = (history[f"val_{name}"] for name in names[2:])
    assert 0.0 <= worst <= robust <= history["val_accuracy"][0]


def validation_split(strategy):
    whole = model(strategy, robust=True)
    split = fit(whole, validation_split=0.25)
    other = model(strategy, robust=True)
    parts = fit(other, X[:24], Y[:24], validation_data=(X[24:], Y[24:]))
    toy.assert_same(weights(whole), weights(other))
    assert split == parts


def sample_weight(strategy):
    twice = trained(strategy, sample_weight=np.full(len(X), 2.0, "float32"))
    once = trained(strategy)
    assert any(not np.array_equal(a, b) for a, b in zip(twice, once, strict=True))
    ones = trained(strategy, sample_weight=np.ones(len(X), "float32"))
    toy.assert_same(ones, once, rtol=1e-5, atol=1e-6)


def class_weight(strategy):
    by_class = trained(strategy, class_weight={0: 0.2, 1: 3.0})
    by_sample = np.where(Y == 1, 3.0, 0.2).astype("float32")
    toy.assert_same(
        by_class, trained(strategy, sample_weight=by_sample), rtol=1e-5, atol=1e-6
    )


def callbacks(strategy):
    seen = []
    report = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: seen.append((batch, set(logs))),
        on_epoch_end=lambda epoch, logs: seen.append(("epoch", set(logs))),
    )
    fit(model(strategy), callbacks=[report])
    assert [event for event, _ in seen] == [0, 1, "epoch"]
    assert all(
        {"loss", "ce_loss", "head_loss", "accuracy"} <= names for _, names in seen
    )


def steps_per_execution(strategy):
    single, several = (
        model(strategy, run_eagerly=False, steps_per_execution=n) for n in (1, 2)
    )
    toy.assert_same(*([h for h in fit(m).values()] for m in (single, several)))
    toy.assert_same(weights(single), weights(several), rtol=1e-5, atol=1e-6)


def gradient_accumulation(strategy):
    """Two steps of half the batch are one step of the whole, without BatchNorm."""
    results = []
    for size, steps in ((16, 2), (32, None)):
        optimizer = keras.optimizers.SGD(0.1, gradient_accumulation_steps=steps)
        adversarial = mpat.AdversarialModel(
            toy.net(batch_norm=False), strategy=_without_start(strategy)
        )
        adversarial.compile(optimizer, run_eagerly=True)
        fit(adversarial, batch_size=size)
        results.append(toy.values(adversarial.classifier.variables))
    toy.assert_same(*results, rtol=1e-4, atol=1e-5)


class _Weights(keras.callbacks.Callback):
    """The trainable weights after each update."""

    def on_train_begin(self, logs=None):
        self.seen = []

    def on_train_batch_end(self, batch, logs=None):
        self.seen.append(toy.values(self.model.trainable_variables))


def use_ema(strategy):
    """The average of the weights that training without it goes through."""
    plain = model(strategy, optimizer=keras.optimizers.SGD(0.1))
    fit(plain, callbacks=[path := _Weights()])
    optimizer = keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5)
    averaged = model(strategy, optimizer=optimizer)
    fit(averaged)
    expected, *later = path.seen
    for values in later:
        expected = [(a + b) / 2 for a, b in zip(expected, values, strict=True)]
    assert not np.allclose(expected[0], path.seen[-1][0], rtol=1e-3)
    result = toy.values(averaged.trainable_variables)
    toy.assert_same(result, expected, rtol=1e-4, atol=1e-6)


def early_stopping(strategy):
    """Stops on a robust accuracy that cannot get better, with the best weights."""
    stop = keras.callbacks.EarlyStopping(
        "val_robust_accuracy", mode="max", min_delta=2.0, restore_best_weights=True
    )
    adversarial = model(strategy, robust=True)
    history = fit(
        adversarial, epochs=5, validation_data=(X[:20], Y[:20]), callbacks=[stop]
    )
    assert len(history["loss"]) == 2  # the first is the best, the second too many
    once = model(strategy, robust=True)
    fit(once, validation_data=(X[:20], Y[:20]))
    toy.assert_same(
        toy.values(adversarial.classifier.variables),
        toy.values(once.classifier.variables),
    )


def model_checkpoint(strategy, folder):
    """The file is the best model by robust accuracy and loads as it was."""
    path = folder / "best.keras"
    save = keras.callbacks.ModelCheckpoint(
        path, "val_robust_accuracy", mode="max", save_best_only=True
    )
    adversarial = model(strategy, robust=True)
    fit(adversarial, validation_data=(X[:20], Y[:20]), callbacks=[save])
    loaded = keras.models.load_model(path)
    toy.assert_same(toy.values(loaded.variables), weights(adversarial))


def reduce_lr_on_plateau(strategy):
    reduce = keras.callbacks.ReduceLROnPlateau(
        "val_robust_accuracy", mode="max", factor=0.5, patience=1, min_delta=2.0
    )
    adversarial = model(strategy, robust=True)
    fit(adversarial, epochs=3, validation_data=(X[:20], Y[:20]), callbacks=[reduce])
    np.testing.assert_allclose(float(adversarial.optimizer.learning_rate), 0.025)


def last_partial_batch(strategy):
    seen = []
    report = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: seen.append(logs["accuracy"])
    )
    adversarial = model(strategy, run_eagerly=False)
    fit(adversarial, X[:23], Y[:23], callbacks=[report])
    assert len(seen) == 2
    assert np.isclose(seen[-1] * 23, round(seen[-1] * 23), atol=1e-3)  # 23 counted


class _Batches(keras.utils.PyDataset):
    def __len__(self):
        return len(X) // BATCH

    def __getitem__(self, index):
        rows = slice(index * BATCH, (index + 1) * BATCH)
        return X[rows], Y[rows]


def arrays_and_streams(strategy):
    """Arrays, tf.data, a PyDataset and a generator give the same weights."""
    import tensorflow

    from_arrays = trained(strategy)
    pipeline = tensorflow.data.Dataset.from_tensor_slices((X, Y)).batch(BATCH)
    batches = _Batches()
    streams = (
        (pipeline, {}),
        (batches, {}),
        ((batches[i % 2] for i in range(5)), {"steps_per_epoch": 2}),
    )
    for stream, arguments in streams:
        toy.assert_same(trained(strategy, stream, None, **arguments), from_arrays)


def run_eagerly(strategy):
    graph, eager = (model(strategy, run_eagerly=eager) for eager in (False, True))
    fit(graph), fit(eager)
    toy.assert_same(weights(graph), weights(eager), rtol=1e-4, atol=1e-5)


def jit_compile(strategy):
    compiled = model(strategy, run_eagerly=False, jit_compile=True)
    eager = model(strategy)
    fit(compiled), fit(eager)
    assert compiled.jit_compile is True
    toy.assert_same(weights(compiled), weights(eager), rtol=1e-3, atol=1e-4)


def export(strategy, folder):
    """The SavedModel of the classifier gives its logits, without Keras."""
    import tensorflow

    adversarial = model(strategy)
    fit(adversarial)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TensorFlow's own, of its exporter
        adversarial.classifier.export(folder / "saved", verbose=False)
        served = tensorflow.saved_model.load(str(folder / "saved"))
        logits = np.asarray(served.serve(X[:5]))
    np.testing.assert_allclose(
        logits, adversarial.predict(X[:5], verbose=0), rtol=1e-4, atol=1e-5
    )


def _without_start(strategy):
    """The strategy without noise: two halves of a batch draw other numbers."""
    if isinstance(strategy, training.FreeTraining):
        return strategy
    return training.AdversarialTraining(mpat.attacks.FGSM(BALL))


FEATURES = {
    "`validation_data`": validation_data,
    "`validation_split`": validation_split,
    "`sample_weight`": sample_weight,
    "`class_weight`": class_weight,
    "callbacks": callbacks,
    "`EarlyStopping` on `val_robust_accuracy`": early_stopping,
    "`ModelCheckpoint` on `val_robust_accuracy`": model_checkpoint,
    "`ReduceLROnPlateau` on `val_robust_accuracy`": reduce_lr_on_plateau,
    "last batch smaller": last_partial_batch,
    "arrays, `tf.data`, `PyDataset`, generator": arrays_and_streams,
    "`run_eagerly`": run_eagerly,
    "`jit_compile` (XLA)": jit_compile,
    "`steps_per_execution`": steps_per_execution,
    "gradient accumulation": gradient_accumulation,
    "`use_ema`": use_ema,
    "`export` (SavedModel)": export,
}

# (feature, strategy) -> the part of the message that says why, on both backends.
REFUSED = {
    ("gradient accumulation", "Free"): "gradient_accumulation_steps",
    ("`use_ema`", "Free"): "use_ema",
}


def markdown() -> str:
    """The table of the README."""
    columns = [f"{s} on {b}" for b in BACKENDS.values() for s in STRATEGIES]
    lines = [
        "| feature | " + " | ".join(columns) + " |",
        "| --- |" + " --- |" * len(columns),
    ]
    for feature in FEATURES:
        cells = [
            "refused" if (feature, strategy) in REFUSED else "yes"
            for _ in BACKENDS
            for strategy in STRATEGIES
        ]
        lines.append(f"| {feature} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
