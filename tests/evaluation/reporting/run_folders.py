"""Run directories of tiny nets on digits, as examples write them."""

import json
from pathlib import Path

import keras

import keras_mpat as mpat
from keras_mpat.evaluation import evaluate_robustness

BALL = mpat.Linf(0.1)
NAME = "<script>mpat</script>"  # a user may call a run anything
MODES = [f"<b>{digit}" for digit in range(10)]


def make_run(folder: Path, *, seed: int, head) -> Path:
    """A folder as examples/train.py and evaluate.py leave it, hardly trained."""
    keras.utils.set_random_seed(seed)
    net = mpat.models.lenet(2, input_shape=(8, 8, 1), filters=(4, 8), units=16)
    strategy = mpat.training.PGDTraining(BALL, steps=1)
    model = mpat.AdversarialModel(net, strategy=strategy, head=head)
    model.compile(optimizer=keras.optimizers.Adam(0.01), metrics=["accuracy"])
    x, y, _ = mpat.datasets.arrays("digits_2", "train")
    model.fit(x[:320], y[:320], batch_size=64, epochs=1, verbose=0)
    folder.mkdir(parents=True)
    model.save(folder / "model.keras")
    model.classifier.save(folder / "classifier.keras")
    history = (
        "epoch,loss,ce_loss,accuracy,val_accuracy\n1,0.9,0.7,0.5,\n2,0.5,0.4,0.8,0.7\n"
    )
    (folder / "history.csv").write_text(history)
    settings = {"dataset": "digits_2", "epochs": 2, "seed": seed, "note": NAME}
    record = {"settings": settings, "epsilon": 0.1, "device": "CPU", "seconds": 60.0}
    (folder / "run.json").write_text(json.dumps(record))
    attack(folder, 40)
    return folder


def attack(folder: Path, limit: int, kind=mpat.attacks.FGSM, epsilon=0.1) -> Path:
    """Writes an evaluation as examples/evaluate.py does."""
    x, y, _ = mpat.datasets.arrays("digits_2", "test")
    attacks = {kind.__name__: kind(mpat.Linf(epsilon))}
    path = folder / f"evaluation-{kind.__name__}-{limit}-{epsilon}.json"
    classifier = folder / "classifier.keras"
    data = (x[:limit], y[:limit])
    result = evaluate_robustness(classifier, data, attacks, verbose=False)
    path.write_text(json.dumps({"epsilon": epsilon} | result.to_dict()))
    return path
