"""examples/train.py: its table of defaults, and runs that survive a kill."""

import dataclasses
import signal

import building
import evaluate
import keras
import numpy as np
import pytest
import settings
import train
from absl import flags
from PIL import Image
from run_directory import RunDirectory, read

import keras_mpat as mpat

_TIMES = {"seconds", "images_per_second"}


@pytest.mark.parametrize("dataset", ["mnist", "mnist_2"])
def test_mnist_has_the_published_values(dataset):
    chosen = settings.resolve({"dataset": dataset})
    assert (chosen.strategy, chosen.head, chosen.model) == (
        "pgd",
        "soft_triple",
        "lenet",
    )
    assert (chosen.epsilon, chosen.prototypes_per_class) == (0.3, 5)
    assert (chosen.head_weight, chosen.regularizer_weight) == (0.5, 0.005)
    assert (chosen.epochs, chosen.learning_rate, chosen.batch_size) == (50, 0.01, 128)
    assert chosen.warmup_epochs == 2


@pytest.mark.parametrize("dataset", ["cifar10", "cifar10_2"])
def test_cifar_has_the_published_values(dataset):
    chosen = settings.resolve({"dataset": dataset, "preset": "mpat"})
    assert (chosen.model, chosen.steps, chosen.step_size) == ("resnet18", 7, "2/255")
    assert (chosen.epsilon, chosen.prototypes_per_class) == ("8/255", 10)
    assert (chosen.head_weight, chosen.regularizer_weight) == (0.5, 0.001)
    assert (chosen.epochs, chosen.learning_rate, chosen.schedule) == (120, 0.1, "step")


@pytest.mark.parametrize("dataset", settings.DEFAULTS)
def test_the_training_attack_reaches_the_surface_of_the_ball(dataset):
    chosen = settings.resolve({"dataset": dataset})
    strategy = building.build_strategy(chosen, building.mpat.Linf(chosen.epsilon))
    radius = strategy.threat_model.radius
    # From anywhere in the ball to its surface is at most twice the radius.
    length = chosen.steps * strategy.attack.step_length
    assert length >= 1.75 * radius


@pytest.mark.parametrize("strategy", ["pgd", "fast", "free", "atld", "mtl_ibp"])
def test_clean_epochs_come_before_those_of_warm_up(strategy):
    given = {"strategy": strategy, "warmup_epochs": 2}
    for clean in (None, 3):
        chosen = settings.resolve(given | {"clean_epochs": clean})
        built = building.build_strategy(chosen, mpat.Linf(0.1))
        assert (built.clean_epochs, built.warmup_epochs) == (clean or 0, 2)


def test_presets_and_what_overrides_them():
    free = settings.resolve({"dataset": "cifar10", "preset": "mpat-free"})
    assert (free.strategy, free.head, free.replays, free.epochs) == (
        "free",
        "soft_triple",
        8,
        15,
    )
    fast = settings.resolve({"dataset": "cifar10", "preset": "mpat-fast"})
    assert (fast.strategy, fast.step_size, fast.schedule) == ("fast", "8/255", "cyclic")
    assert (fast.learning_rate, fast.epochs) == (0.2, 30)
    own = settings.resolve(
        {"dataset": "cifar10", "preset": "mpat-free", "replays": 4, "head": "none"}
    )
    assert (own.strategy, own.head, own.epochs) == ("free", "none", 30)
    assert settings.resolve({"strategy": "standard"}).head == "none"
    trades = settings.resolve({"dataset": "mnist_2", "strategy": "trades"})
    assert (trades.steps, trades.step_size, trades.beta) == (40, 0.01, 1.0)
    assert (trades.head, fast.beta) == ("none", None)


def test_strategies_are_built_as_published_unless_told():
    ball = mpat.Linf("8/255")
    trades = {"dataset": "cifar10", "strategy": "trades", "beta": 3.0}
    strategy = building.build_strategy(settings.resolve(trades), ball)
    assert strategy == mpat.training.TRADESTraining(ball, beta=3, step_size=0.007)
    noisy = {"dataset": "cifar10", "strategy": "n_fgsm", "awp_gamma": 0.005}
    strategy = building.build_strategy(settings.resolve(noisy), ball)
    inner = mpat.training.NFGSMTraining(ball)
    assert strategy == mpat.training.AWPTraining(inner, gamma=0.005)
    scattering = {"dataset": "cifar10", "strategy": "feature_scattering"}
    strategy = building.build_strategy(settings.resolve(scattering), ball)
    assert strategy == mpat.training.FeatureScatteringTraining(ball)


def test_images_move_only_where_that_is_asked_for():
    digits = settings.resolve({"dataset": "digits_2", "seed": 3})
    assert "augment" not in building.stream_options(digits)
    moved = settings.resolve({"dataset": "digits_2", "seed": 3, "shift": 2})
    options = building.stream_options(moved)
    assert options.pop("augment") == building.datasets.PadCropFlip(
        padding=2, flip=False
    )
    assert options == {"batch_size": 64, "limit": None, "seed": 3}
    turned = {"dataset": "digits_2", "rotation": 10.0, "contrast": 1.5}
    augment = building.stream_options(settings.resolve(turned))["augment"]
    affine = building.datasets.RandomAffine
    assert augment == affine(10.0, contrast=1.5)
    every = turned | {"stretch": 0.2, "shear": 0.3, "shift": 1}
    augment = building.stream_options(settings.resolve(every))["augment"]
    assert augment == affine(10.0, stretch=0.2, shear=0.3, shift=1, contrast=1.5)


def test_first_weights_are_drawn_for_bounds_where_that_is_asked_for():
    info = building.datasets.info("digits_2")
    given = {"dataset": "digits_2", "strategy": "mtl_ibp", "saturation": [0.3, 0.7]}
    kernels = {}
    for name in (None, "ibp"):
        chosen = settings.resolve(given | {"initializer": name})
        inner = building.build_classifier(chosen, info).layers[-1]
        kernels[name] = np.asarray(inner.get_layer("hidden_dense").kernel)
    fan_in = len(kernels["ibp"])  # 2 / fan_in would be the usual variance
    assert np.std(kernels[None]) == pytest.approx((2 / fan_in) ** 0.5, rel=0.1)
    assert np.std(kernels["ibp"]) == pytest.approx(2.507 / fan_in, rel=0.1)


def test_steps_of_the_schedule_are_counted_in_effective_epochs():
    free = settings.resolve({"dataset": "cifar10", "preset": "mpat-free"})
    rate = building.build_schedule(free, steps=10, updates_per_batch=8)
    # 15 passes of 8 replays are 120 epochs: a drop every 30, so every 4 passes.
    at = [float(rate(10 * 8 * passes)) for passes in (0, 3, 4, 8)]
    np.testing.assert_allclose(at, [0.1, 0.1, 0.01, 0.001], rtol=1e-5)
    fast = settings.resolve({"dataset": "cifar10", "preset": "mpat-fast"})
    rate = building.build_schedule(fast, steps=10, updates_per_batch=1)
    at = [float(rate(step)) for step in (0, 150, 300)]
    np.testing.assert_allclose(at, [0.001, 0.2, 0.001], rtol=1e-5)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"dataset": "imagenet"}, "`dataset` must be one of digits"),
        ({"strategy": "fast", "steps": 3}, "`steps` has no effect"),
        ({"strategy": "pgd", "replays": 3}, "`replays` has no effect"),
        ({"strategy": "pgd", "beta": 3.0}, "`beta` has no effect with strategy=pgd"),
        ({"head": "none", "prototypes_per_class": 3}, "has no effect with head=none"),
        ({"saturation": [0.7, 0.3]}, "`saturation` must be two ascending"),
        ({"saturation": [0.7]}, "`saturation` must be two ascending"),
        ({"ema": 1.5}, "`ema` must lie between 0 and 1"),
        ({"label_smoothing": 0.0}, "`label_smoothing` must lie between"),
        ({"strategy": "atld", "label_smoothing": 0.1}, "no effect with strategy=atld"),
        ({"strategy": "trades", "attack_dtype": "bfloat16"}, "`attack_dtype` has no"),
        ({"strategy": "standard", "awp_gamma": 0.1}, "`awp_gamma` has no effect"),
        ({"strategy": "standard", "clean_epochs": 1}, "`clean_epochs` has no effect"),
        ({"select": "best", "validation_steps": 0}, "`select` needs an attack"),
        ({"strategy": "fast", "noise": 1.0}, "`noise` has no effect"),
        ({"strategy": "pgd", "initializer": "ibp"}, "`initializer` has no effect"),
        (
            {"strategy": "mtl_ibp", "initializer": "ibp", "pretrained": "acl.npz"},
            "`initializer` has no effect on weights that pretrained brings",
        ),
        ({"model": "lenet", "width": 8}, "choose model from: resnet18"),
        ({"model": "resnet50", "depth": 28}, "choose model from: wide_resnet"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        settings.resolve(given)


@pytest.mark.parametrize(
    ("given", "units"),
    [
        ({"model": "resnet18", "width": 2}, 8 * 2),
        ({"model": "resnet50", "width": 2}, 32 * 2),
        ({"model": "wide_resnet", "width": 2, "depth": 10, "widen": 3}, 4 * 2 * 3),
    ],
    ids=lambda value: value["model"] if isinstance(value, dict) else None,
)
def test_networks_and_their_sizes(given, units):
    chosen = settings.resolve({"dataset": "cifar10_2", **given})
    info = building.datasets.info("cifar10_2")
    classifier = building.build_classifier(chosen, info)
    assert classifier.name == given["model"]
    assert classifier.layers[-1].kernel.shape == (units, 2)
    normalization = classifier.layers[1]
    np.testing.assert_allclose(np.ravel(normalization.mean), info.mean, rtol=1e-6)


@pytest.mark.parametrize("text", ["eight", "0,1"])
def test_a_length_is_a_number_or_a_fraction(text):
    assert train.length("8/255") == "8/255"
    assert train.length("0.1") == 0.1
    with pytest.raises(ValueError, match="8/255"):
        train.length(text)


def test_a_folder_of_other_flags_or_of_something_else_is_refused(tmp_path):
    RunDirectory(tmp_path / "run", {"epochs": 3}).update(settings={"epochs": 3, "a": 1})
    with pytest.raises(ValueError, match="--epochs: 3 there, 4 now\nPass") as error:
        RunDirectory(tmp_path / "run", {"epochs": 4, "a": 1})
    assert "--a" not in str(error.value)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(ValueError, match=r"holds thesis\.txt but no run\.json"):
        RunDirectory(tmp_path / "mine", {})
    with pytest.raises(ValueError, match="holds no run.json"):
        read(tmp_path)


_KILLED = """
import os, signal, sys
import settings, train
from keras_mpat import callbacks

class Killed(callbacks.FullState):
    def on_epoch_end(self, epoch, logs=None):
        if epoch == 2:  # the epoch is listed, its state half written
            (self.folder / "part.weights.h5").write_bytes(b"half a state")
            os.kill(os.getpid(), signal.SIGKILL)
        super().on_epoch_end(epoch, logs)

    def on_train_batch_end(self, batch, logs=None):
        if (self._at.epoch, batch) == PLACE:
            os.kill(os.getpid(), signal.SIGTERM)
        super().on_train_batch_end(batch, logs)

callbacks.FullState = Killed
train.train(settings.resolve(GIVEN), sys.argv[1])
"""


def _check_killed_equals_whole(given, tmp_path, run_script):
    for place, code in (((1, 0), 128 + signal.SIGTERM), (None, -signal.SIGKILL)):
        script = _KILLED.replace("GIVEN", repr(given)).replace("PLACE", repr(place))
        ended = run_script("-c", script, tmp_path / "killed")
        assert ended.returncode == code, ended.stderr
    assert not read(tmp_path / "killed")["finished"]
    chosen = settings.resolve(given)
    records = [train.train(chosen, tmp_path / name) for name in ("killed", "whole")]
    first, second = (
        [
            {name: row[name] for name in row.keys() - _TIMES}
            for row in RunDirectory(tmp_path / name, chosen.to_dict()).rows()
        ]
        for name in ("killed", "whole")
    )
    assert first == second
    assert [row["epoch"] for row in first] == ["1", "2", "3", "4"]
    models = [
        keras.saving.load_model(tmp_path / name / "model.keras")
        for name in ("killed", "whole")
    ]
    for mine, other in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_array_equal(mine, other)
    states = [[np.asarray(v) for v in m.optimizer.variables] for m in models]
    for mine, other in zip(*states, strict=True):
        np.testing.assert_array_equal(mine, other)
    assert all(record["finished"] for record in records)
    assert not (tmp_path / "killed" / "state").exists()


def test_a_killed_run_ends_as_if_it_had_not_been(tiny, tmp_path, run_script):
    _check_killed_equals_whole(tiny, tmp_path, run_script)


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [
        {"strategy": "free", "replays": 2},
        {"strategy": "fast", "optimizer": "adam"},
        {"ema": 0.9, "select": "best", "label_smoothing": 0.1, "awp_gamma": 0.01},
        {"ema": 0.9, "strategy": "n_fgsm", "attack_dtype": "bfloat16"},
    ],
)
def test_killed_runs_of_other_strategies(change, tiny, tmp_path, run_script):
    given = {name: tiny[name] for name in tiny.keys() - {"steps"}} | change
    _check_killed_equals_whole(given, tmp_path, run_script)


def test_a_finished_run_is_whole_and_trains_no_more(tiny, tmp_path, monkeypatch):
    chosen = settings.resolve(tiny | {"epochs": 1, "prototypes_per_class": [2, 3]})
    record = train.train(chosen, tmp_path)
    assert record["finished"]
    assert record["settings"]["filters"] == [4, 8]
    assert record["epsilon_as_fraction"] == "25.5/255"
    assert record["images_per_second"] > 0
    assert record["versions"].keys() >= {"python", "keras", "numpy", "keras_mpat"}
    assert {"history.csv", "classifier.keras", "tensorboard"} <= {
        entry.name for entry in tmp_path.iterdir()
    }
    monkeypatch.setattr(train, "build", None)
    monkeypatch.setattr(train, "datasets", None)
    again = train.train(chosen, tmp_path)
    assert again == record
    assert "1 epochs in" in train.report(again, tmp_path)


def test_a_run_that_another_process_ends_meanwhile_is_left_alone(
    tiny, tmp_path, monkeypatch
):
    chosen = settings.resolve(tiny | {"epochs": 1})
    build, others = train.build, []

    def slow(*arguments, **options):
        monkeypatch.setattr(train, "build", build)
        others.append(train.train(chosen, tmp_path))
        return build(*arguments, **options)

    monkeypatch.setattr(train, "build", slow)
    assert train.train(chosen, tmp_path) == others[0]
    assert len(RunDirectory(tmp_path, chosen.to_dict()).rows()) == 1


def test_a_run_of_another_process_is_not_touched(tiny, tmp_path):
    chosen = settings.resolve(tiny | {"epochs": 1})
    run = RunDirectory(tmp_path, chosen.to_dict())
    with run.held():
        run.update(settings=chosen.to_dict(), finished=False)
        run.add_row({"epoch": 1})
        with pytest.raises(ValueError, match="must be used by one process at a time"):
            train.train(chosen, tmp_path)
    assert len(run.rows()) == 1


def test_what_is_kept_is_the_average_of_the_best_epoch(tiny, tmp_path):
    """The classifier is what validation measured in the epoch that run.json names."""
    given = {"ema": 0.5, "select": "best", "learning_rate": 0.5, "schedule": "constant"}
    chosen = settings.resolve(tiny | given)
    record = train.train(chosen, tmp_path)
    rows = RunDirectory(tmp_path, chosen.to_dict()).rows()
    robust = [float(row["val_robust_accuracy"]) for row in rows]
    assert record["selected_on"] == "validation"
    assert record["selected_epoch"] == 1 + int(np.argmax(robust))
    assert robust[-1] < max(robust)  # else this shows nothing
    model = keras.saving.load_model(tmp_path / "model.keras")
    x, y, _ = train.datasets.arrays(tiny["dataset"], "validation")
    count = chosen.validation_examples
    logs = model.evaluate(
        x[:count], y[:count], batch_size=min(count, 128), return_dict=True, verbose=0
    )
    row = rows[record["selected_epoch"] - 1]
    for name in ("accuracy", "loss", "robust_accuracy"):
        assert logs[name] == pytest.approx(float(row[f"val_{name}"]), rel=1e-4), name
    # The last epoch's own average is no better, and not the weights of its last step.
    last = settings.resolve(tiny | given | {"select": "last"})
    other = train.train(last, tmp_path / "last")
    assert other["selected_epoch"] == len(rows)
    model = keras.saving.load_model(tmp_path / "last" / "model.keras")
    logs = model.evaluate(
        x[:count], y[:count], batch_size=min(count, 128), return_dict=True, verbose=0
    )
    for name in ("accuracy", "loss", "robust_accuracy"):
        assert logs[name] == pytest.approx(float(rows[-1][f"val_{name}"]), rel=1e-4)


def test_a_saturated_run_keeps_a_plain_classifier_and_is_attacked_through_it(
    tiny, tmp_path
):
    """The file is of Keras' layers; attacks through the layer see what it hides."""
    given = {"saturation": [0.45, 0.55], "epochs": 2, "epsilon": 0.3}
    chosen = settings.resolve(tiny | given)
    train.train(chosen, tmp_path)
    classifier = keras.saving.load_model(tmp_path / "classifier.keras")
    kinds = [type(layer) for layer in classifier.layers[1:3]]
    assert kinds == [keras.layers.Rescaling, keras.layers.ReLU]
    model = keras.saving.load_model(tmp_path / "model.keras")
    x, _, _ = train.datasets.arrays(tiny["dataset"], "test")
    np.testing.assert_allclose(
        classifier.predict(x[:50], verbose=0),
        model.classifier.predict(x[:50], verbose=0),
        atol=1e-3,
    )
    (attack,) = evaluate.suite(0.3, names=["behind"], run_dir=tmp_path).values()
    assert attack.surrogate.layers[1].get_config()["low"] == 0.45
    quick = mpat.attacks.Transfer(
        mpat.attacks.PGD(mpat.Linf(0.3), steps=5), surrogate=attack.surrogate
    )
    plain = mpat.attacks.PGD(mpat.Linf(0.3), steps=5, random_start=False)
    result = evaluate.evaluate(
        tmp_path, chosen={"through": quick, "plain": plain}, limit=60
    )
    accuracy = {stage.name: stage.accuracy for stage in result.stages}
    assert accuracy["through"] < accuracy["plain"]


@pytest.fixture(scope="module")
def command_line():
    """Gives the script its flags, defined once in this process."""
    before = set(flags.FLAGS)
    train.define_flags()
    own = set(flags.FLAGS) - before

    def parse(*arguments):
        for name in own:
            flags.FLAGS[name].unparse()
        flags.FLAGS(["train.py", *map(str, arguments)])

    return parse


def test_flags_become_settings(command_line):
    command_line("--run_dir", "r", "--prototypes_per_class=3,4", "--filters=4,8")
    given = train.given_flags()
    assert (given["prototypes_per_class"], given["filters"]) == ([3, 4], [4, 8])
    assert given["epochs"] is None
    command_line("--run_dir", "r", "--prototypes_per_class", "3", "--epsilon=4/255")
    given = train.given_flags()
    assert (given["prototypes_per_class"], given["epsilon"]) == (3, "4/255")
    command_line("--run_dir", "r", "--filters", "4,x")
    with pytest.raises(ValueError, match="separated by commas. Received: 4,x"):
        train.given_flags()
    command_line("--run_dir", "r", "--saturation", "0.3,0.7")
    assert train.given_flags()["saturation"] == [0.3, 0.7]
    command_line("--run_dir", "r", "--saturation", "0.3,high")
    with pytest.raises(ValueError, match="separated by commas. Received: 0.3,high"):
        train.given_flags()
    # Each setting can be given, but for the one that only the table holds.
    known = {field.name for field in dataclasses.fields(settings.Settings)}
    assert known - given.keys() == {"drop_at"}


def test_missing_data_is_said_at_once_and_leaves_nothing(tmp_path, command_line):
    pytest.importorskip("tensorflow_datasets")
    run_dir = tmp_path / "run"
    command_line("--dataset=mnist", "--data_dir", tmp_path, "--run_dir", run_dir)
    with pytest.raises(SystemExit, match=r"error: .*\n.*download_and_prepare\(\)"):
        train.main(["train.py"])
    assert not run_dir.exists()


@pytest.mark.parametrize(
    ("flag", "nearest"),
    [
        pytest.param("--strategy=pdg", "pgd", marks=pytest.mark.slow),
        ("--head=softtriple", "soft_triple"),
        pytest.param("--dataset=mnits", "mnist", marks=pytest.mark.slow),
    ],
)
def test_the_command_line_names_the_nearest_choice(flag, nearest, run_script, tmp_path):
    done = run_script("examples/train.py", flag, "--run_dir", tmp_path / "run")
    assert done.returncode == 1
    name = flag[2:].partition("=")[0]
    assert f"error: `{name}` must be one of" in done.stderr
    assert f"Did you mean {nearest!r}?" in done.stderr
    assert not (tmp_path / "run").exists()


def test_a_folder_of_gray_images_of_mixed_sizes(tmp_path):
    for name, value in (("dark", 40), ("bright", 200)):
        (tmp_path / "tree" / name).mkdir(parents=True)
        for index in range(30):
            pixels = np.full((8 + index % 2, 8), value + index, "uint8")
            Image.fromarray(pixels).save(tmp_path / "tree" / name / f"{index}.png")
    given = {"dataset": f"folder:{tmp_path / 'tree'}", "model": "lenet", "epochs": 3}
    given |= {"filters": [4, 8], "batch_size": 8, "steps": 2, "validation_steps": 2}
    with pytest.raises(ValueError, match="`image_size` must be given"):
        train.train(settings.resolve(given), tmp_path / "mixed")
    given["image_size"] = [8, 8]
    train.train(settings.resolve(given), tmp_path / "run")
    chosen = evaluate.suite("8/255", names=("fgsm",), restarts=1)
    result = evaluate.evaluate(tmp_path / "run", chosen=chosen)
    assert result.n >= 6 and result.clean_accuracy > 0.9
    x, y, titles = evaluate.examples(tmp_path / "run")
    assert x.shape[1:] == (8, 8, 1) and titles == ["bright", "dark"]
