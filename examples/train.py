"""Trains a classifier that withstands attacks, into a folder that survives a kill.

    python examples/train.py --dataset digits_2 --epochs 30 --run_dir runs/digits_2
    python examples/train.py --dataset mnist --preset mpat-fast --run_dir runs/mnist
    python examples/train.py --dataset cifar10_2 --preset mpat --run_dir runs/cifar

The same command continues an interrupted run and prints the result of a finished one.
Defaults per data set and the presets are in settings.py and presets.py.
"""

import importlib.metadata
import importlib.util
import platform
import shutil
import statistics
import sys
from typing import Any

import distribution
import keras
import refinements
import settings as run_settings
from absl import app, flags, logging
from boards import boards
from building import build, stream_options
from encoders import begin
from merging import merging_callbacks, write_merging
from run_directory import Recorder, RunDirectory, in_words

import keras_mpat as mpat
from keras_mpat import backend, datasets, replicas


def train(
    settings: run_settings.Settings,
    run_dir,
    *,
    data_dir=None,
    board: bool = False,
    keep_every: int | None = None,
    distribute: str = "none",
) -> dict[str, Any]:
    """Trains, or continues, or does nothing if the run is finished.

    Args:
        settings: from `settings.resolve`.
        run_dir: the folder of the run; see run_directory.py.
        data_dir: folder of prepared data, for data sets that need one.
        board: whether TensorBoard shows attacked images, too.
        keep_every: batches after which the state is kept within an epoch, too.
        distribute: over which devices; see distribution.py. The chief writes.

    Returns:
        The content of run.json.

    Raises:
        ValueError: settings that do not fit together, or the folder of another run.
        FileNotFoundError: the data is not there.
        FloatingPointError: weights that are no numbers any more.
    """
    run = RunDirectory(run_dir, settings.to_dict())
    if run.record()["finished"]:
        return run.record()
    devices = distribution.strategy(distribute, settings)
    where = {"data_dir": data_dir, "image_size": settings.image_size}
    stream = stream_options(settings) | where
    steps = len(datasets.load(settings.dataset, "train", **stream))
    with distribution.scope(devices):
        model = build(settings, steps, **where)
    distribution.share_statistics(model.classifier, devices is not None)
    run.writes = replicas.is_chief(model)
    with run.held():
        if not run.record()["finished"]:  # by another process, meanwhile
            _fit(run, settings, model, stream, steps, where, board, keep_every)
    return run.record()


def _fit(run, settings, model, stream, steps, where, board, keep_every) -> None:
    """Trains a model in a folder that no other process uses."""
    data_dir = where["data_dir"]
    merging = merging_callbacks(settings)
    averaged = refinements.watching(settings, run.path)
    recorder = Recorder(run, steps * settings.batch_size, talks=not sys.stdout.isatty())
    remembering = [*merging, *averaged, recorder]
    state = mpat.callbacks.FullState(run.state, of=remembering, every=keep_every)
    done = state.epoch  # asks for the digests of files: once

    def note() -> None:
        run.update(**_environment(model, settings), data_dir=data_dir)

    if not done:
        folder = run.path / "pretraining"
        begin(model.classifier, settings, folder, before=note, **where)
    note()
    run.keep_rows(done)
    validation = datasets.arrays(settings.dataset, "validation", **where)
    x, y, _ = validation
    count = settings.validation_examples
    batch = min(count, 128)
    watching = boards(run, settings, validation, adversarial=board)
    if not run.writes:
        watching = []
    data = datasets.load(settings.dataset, "train", epoch=done, **stream)
    model.fit(
        distribution.mine(data),
        validation_data=distribution.held_out(x[:count], y[:count], batch),
        validation_batch_size=batch,
        epochs=settings.epochs,
        callbacks=[*remembering, *watching, state],
        shuffle=False,  # the stream shuffles itself
        verbose=int(sys.stdout.isatty()),
    )
    distribution.share_statistics(model.classifier, False)
    if run.writes:
        refinements.choose(settings, model, run.path)
        write_merging(run.path, merging)
        run.save(model, run.model)
        run.save(mpat.models.plain(model.classifier), run.classifier)
        chosen = refinements.selection(settings, run.rows())
        run.update(**_result(run), **chosen, finished=True)
        shutil.rmtree(run.state)


def _environment(model, settings) -> dict[str, Any]:
    radius = mpat.Linf(settings.epsilon).radius
    packages = {"keras", "numpy", keras.backend.backend()}
    packages |= {"tensorflow"} if importlib.util.find_spec("tensorflow") else set()
    versions = {name: importlib.metadata.version(name) for name in sorted(packages)}
    own = {"python": platform.python_version(), "keras_mpat": mpat.__version__}
    return {
        "settings": settings.to_dict(),
        "versions": own | versions,
        "backend": keras.backend.backend(),
        "device": backend.device_name(),
        "jit": model.jit_compile,
        "replicas": replicas.of(model),
        "epsilon": radius,
        "epsilon_as_fraction": f"{255 * radius:.4g}/255",
        "seeds": {"model": settings.seed, "data": settings.seed},
        "parameters": model.classifier.count_params(),
    }


def _result(run: RunDirectory) -> dict[str, Any]:
    rows = [{name: float(row[name]) for name in row} for row in run.rows()]
    rows[-1]["epoch"] = len(rows)
    speeds = [row.pop("images_per_second") for row in rows]
    return {
        "seconds": round(sum(row["seconds"] for row in rows), 1),
        "images_per_second": statistics.median(speeds),
        "last_epoch": rows[-1],
    }


def report(record: dict[str, Any], run_dir) -> str:
    """A finished run in a few lines."""
    last = dict(record["last_epoch"])
    del last["seconds"]
    epochs = int(last.pop("epoch"))
    return (
        f"{epochs} epochs in {record['seconds']:.0f} s, "
        f"{record['images_per_second']:.0f} images/s on {record['device']}\n"
        f"{in_words(last)}\n"
        f"Classifier: {run_dir}/classifier.keras\n"
        f"Evaluate it with: python examples/evaluate.py --run_dir {run_dir}"
    )


def define_flags() -> None:
    """The command line."""
    flags.DEFINE_string("run_dir", None, "Folder of the run.", required=True)
    flags.DEFINE_string("data_dir", None, "Folder of prepared data sets.")
    flags.DEFINE_bool("board", False, "TensorBoard: attacked images and the Projector.")
    text = "Batches after which the state is kept within an epoch, too."
    flags.DEFINE_integer("keep_every", None, text, lower_bound=1)
    text = "Devices: mirrored (this machine), multi_worker (TF_CONFIG), jax (all)."
    flags.DEFINE_enum("distribute", "none", distribution.KINDS, text)
    define_settings()


def define_settings(*, without=()) -> None:
    """A flag for each setting; `None`: the default of the data set or the preset.

    Args:
        without: names that get none.
    """

    def define(kind, table, **limits):
        for name, text in table.items():
            if name not in without:
                kind(name, None, text, **limits)

    length_text = ": 0.1, or a fraction such as 8/255."
    names = {  # `resolve` names the nearest of a wrong one
        name: f"{text} One of: {', '.join(run_settings.CHOICES[name])}."
        for name, text in _CHOICES.items()
    }
    lengths = {name: text + length_text for name, text in _LENGTHS.items()}
    define(flags.DEFINE_string, names | lengths | _TEXTS)
    define(flags.DEFINE_integer, _COUNTS, lower_bound=1)
    define(flags.DEFINE_integer, _COUNTS_OR_ZERO, lower_bound=0)
    define(flags.DEFINE_float, _NUMBERS, lower_bound=0.0)
    define(flags.DEFINE_list, _LISTS | _PAIRS)


_CHOICES = {
    "dataset": "Data set; digits_2 if not given.",
    "pretrain": "Self-supervised pretraining of the encoder, a stage of the run.",
    "preset": "Published recipe.",
    "strategy": "How a batch becomes an update.",
    "head": "Head; none is the default of standard.",
    "model": "Network.",
    "regularizer": "L_norm: what is kept small.",
    "optimizer": "SGD has momentum 0.9.",
    "schedule": "Learning-rate schedule.",
    "norm_mode": "BatchNorm in attack passes.",
    "attack_dtype": "Precision of the training attack; default: the classifier's.",
    "initializer": "First weights; ibp: drawn for interval bounds (mtl_ibp).",
    "select": "Which epoch is kept: last, or best under attack in validation.",
    "jit": "XLA; auto: on an accelerator only.",
}
_COUNTS = {
    "width": "Channels of the first stage (resnets), of the stem (wide_resnet).",
    "depth": "Layers (wide_resnet): 28, 34.",
    "widen": "Factor on the channels (wide_resnet).",
    "epochs": "Passes over the data.",
    "batch_size": "Images per batch.",
    "pretrain_epochs": "Epochs of pretraining.",
    "pretrain_batch_size": "Images per batch of pretraining.",
    "steps": "Steps of the training attack (pgd, logit_pairing, trades, ...).",
    "replays": "Updates per batch (free).",
    "train_examples": "Use the first so many training images only.",
    "validation_examples": "Images of the validation attack.",
}
_COUNTS_OR_ZERO = {
    "clean_epochs": "First epochs without a perturbation.",
    "warmup_epochs": "Epochs after those in which epsilon grows from 0.",
    "validation_steps": "PGD steps of the validation attack; 0: none.",
    "seed": "Seed of weights, data order and attacks.",
    "shift": "Pixels that training images move at random, not as the set prescribes.",
}
_NUMBERS = {
    "head_weight": "lambda_1.",
    "beta": "Factor on the divergence (trades).",
    "bound_weight": "Factor on the loss of interval bounds (mtl_ibp).",
    "noise": "Radius of the random starts in epsilons (n_fgsm).",
    "awp_gamma": "Adversarial weight perturbation: 0.01; 0.005 with trades.",
    "ema": "Momentum of an average of the weights, which is what is kept: 0.999.",
    "label_smoothing": "Share of the labels that all classes have alike: 0.1.",
    "merge_threshold": "Chord distance in which prototypes merge; 0: they do not.",
    "tau": "Weight of the pull between prototypes of a class (soft_triple).",
    "gamma": "Temperature over the prototypes of a class (soft_triple).",
    "scale": "Factor on the similarities (soft_triple).",
    "margin": "Margin on the similarity of the true class (soft_triple).",
    "regularizer_weight": "lambda_2.",
    "learning_rate": "Learning rate; the maximum of a cyclic one.",
    "rotation": "Degrees that they turn at random, not as the set prescribes: 10.",
    "stretch": "Logarithm of a random factor on rows and on columns: 0.1.",
    "shear": "Columns per row that they lean at random: 0.1.",
    "contrast": "Sharpens what turning and stretching blurs: 1.5 for digits.",
}
_LENGTHS = {
    "epsilon": "Radius of the Linf ball",
    "step_size": "Step of the training attack",
}
_TEXTS = {
    "pretrained": "In place of pretrain: its folder, or ACL's file (.npz, .pt, .pth).",
}
_LISTS = {
    "drops": "Epochs at which the rate falls tenfold (schedule step): 60,90.",
    "image_size": "Height and width to resize to, for sets of mixed sizes: 64,64.",
    "prototypes_per_class": "One number, or one per class: 3,4.",
    "filters": "Channels of the convolutions (lenet, lenet_tla, medium_cnn): 16,32.",
}


_PAIRS = {
    "saturation": "Pixels that become 0 and 1, what is outside is cut off: 0.31,0.69.",
}


def given_flags(*, without=()) -> dict[str, Any]:
    """The settings that the command line gives, converted from text.

    Args:
        without: as for `define_settings`.
    """
    counts = _COUNTS, _COUNTS_OR_ZERO
    tables = _CHOICES, *counts, _NUMBERS, _LENGTHS, _LISTS, _PAIRS, _TEXTS
    named = [name for table in tables for name in table]
    named = [name for name in named if name not in without]
    given = {name: flags.FLAGS[name].value for name in named}
    for name in set(_LENGTHS) & given.keys():
        given[name] = length(given[name])
    for name in set(_LISTS) & given.keys():
        given[name] = _whole_numbers(name, given[name])
    for name in set(_PAIRS) & given.keys():
        given[name] = _numbers(name, given[name])
    prototypes = given.get("prototypes_per_class")
    if prototypes is not None and len(prototypes) == 1:
        given["prototypes_per_class"] = prototypes[0]
    return given


def length(text: str | None) -> float | str | None:
    """A length as the package takes it: a number, or text such as "8/255"."""
    if text is None or "/" in text:
        return text
    try:
        return float(text)
    except ValueError:
        raise ValueError(
            "`epsilon` and `step_size` must be numbers (pixels in [0, 1]) or "
            f"fractions. Received: {text!r}. For 8 gray levels pass 8/255."
        ) from None


def _numbers(name: str, parts: list[str] | None) -> list[float] | None:
    try:
        return None if parts is None else [float(part) for part in parts]
    except ValueError:
        raise ValueError(
            f"`{name}` must be numbers, separated by commas. Received: "
            f"{','.join(parts or [])}. Pass for example 0.31,0.69."
        ) from None


def _whole_numbers(name: str, parts: list[str] | None) -> list[int] | None:
    if parts is None:
        return None
    if not all(part.strip().isdigit() and int(part) for part in parts):
        raise ValueError(
            f"`{name}` must be whole numbers >= 1, separated by commas. Received: "
            f"{','.join(parts)}. Pass for example 16,32."
        )
    return [int(part) for part in parts]


def main(arguments: list[str]) -> None:
    """Trains as the flags say, and prints the result."""
    if len(arguments) > 1:
        raise app.UsageError(f"Unexpected argument {arguments[1]!r}; flags begin --.")
    mpat.keep_memory()
    run_dir = flags.FLAGS.run_dir
    try:
        settings = run_settings.resolve(given_flags())
        names = ("data_dir", "board", "keep_every", "distribute")
        options = {name: flags.FLAGS[name].value for name in names}
        record = train(settings, run_dir, **options)
    except (ValueError, OSError, ImportError, FloatingPointError) as error:
        logging.debug("Where the error arose (shown by -v=1)", exc_info=True)
        sys.exit(f"error: {error}")
    if record["finished"]:  # where several workers train, the chief's
        print(report(record, run_dir))


if __name__ == "__main__":
    define_flags()
    app.run(main)
