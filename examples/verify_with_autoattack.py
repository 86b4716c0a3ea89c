"""Lays our AutoAttack's verdicts beside those of the AutoAttack for torch.

    python examples/evaluate.py --run_dir runs/mnist --attacks autoattack --limit 300
    python examples/verify_with_autoattack.py --run_dir runs/mnist --limit 300

    python examples/verify_with_autoattack.py --classifier file.keras --data test.npz \\
        --verdicts result.json

Keras runs on torch here, and `interop.as_torch` hands the classifier to the package
`autoattack`, or to `torchattacks` (upstream.py). Their verdicts are compared with ours
example by example, and the adversarial examples of each side must fool the classifier
on the other side's framework. Writes verification-<time>.json; `evaluate.py --card`
puts it on the model card.
"""

import importlib.util
import os
import sys

os.environ["KERAS_BACKEND"] = "torch"  # before anything imports keras
if importlib.util.find_spec("torch") is None:
    sys.exit("error: torch must be installed; pip install torch, and see upstream.py.")

import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from absl import app, flags, logging
from our_verdicts import Ours, load_images, newest, read_verdicts
from run_directory import finished, source
from upstream import Upstream, find

from keras_mpat import interop
from keras_mpat.evaluation import Verification
from keras_mpat.evaluation.evidence import versions
from keras_mpat.evaluation.verification import leads
from keras_mpat.files import write_json

_HERE = Path(__file__).resolve().parent
_FEW = (
    "`--classifier` must have at least 4 classes: the targeted attacks of the published"
    " AutoAttack are undefined below. Received: {} classes. AutoAttack-K, which "
    "evaluate.py runs there, has no counterpart to verify it with."
)


def verify(
    classifier: Path,
    x: np.ndarray,
    y: np.ndarray,
    ours: Ours,
    upstream: Upstream,
    *,
    batch_size: int = 128,
    other_python: str = sys.executable,
) -> Verification:
    """Runs the other AutoAttack on images (N, H, W, C_in) and compares.

    Args:
        classifier: path of the `.keras` file.
        x, y: the images and labels of our verdicts, or the first of them.
        ours: our verdicts.
        upstream: the other implementation.
        batch_size: images per batch.
        other_python: an interpreter that has the framework our verdicts were made on.

    Raises:
        ValueError: other weights than ours, no images, or two or three classes.
    """
    module = interop.as_torch(classifier)
    ours.check_weights(module.classifier)
    x_adv = attacked(module, x, y, ours, upstream, batch_size)
    lead = margins(module, x_adv, y)
    broken = (margins(module, x, y) <= 0) & (lead > 0)  # right without an attack
    there, rows = None, ours.index[ours.index < len(y)]
    if ours.adversarial is not None:
        there = margins(module, ours.adversarial[: len(rows)], y[rows])
    here = elsewhere(classifier, x_adv[broken], ours.framework, other_python)
    return Verification(
        upstream.name,
        ours=ours.robust[: len(y)],
        theirs=lead <= 0,
        ours_there=there,
        theirs_here=None if here is None else leads(here, y[broken]),
        frameworks=(ours.framework_in_words, f"torch {versions()['torch']}"),
    )


def attacked(module, x, y, ours: Ours, upstream: Upstream, batch_size: int):
    """What the other side makes of images (N, H, W, C_in): the same shape, float32."""
    classes = module.classifier.output_shape[-1]
    if classes < 4:
        raise ValueError(_FEW.format(classes))
    settings = (ours.norm, ours.radius, classes, 0, batch_size)
    labels = torch.from_numpy(y.astype("int64"))
    x_adv = upstream.attack(module, _channels_first(x), labels, *settings)
    found = x_adv.detach().cpu().numpy().transpose(0, 2, 3, 1)
    check_ball(found, x, ours)
    return np.ascontiguousarray(found)


def margins(module, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """By how much the best wrong class leads on torch, of images (N, H, W, C_in)."""
    if not len(x):
        return np.zeros(0)
    with torch.no_grad():
        return leads(module(_channels_first(x)).numpy(), y)


def _channels_first(x: np.ndarray):
    return torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2)))


def check_ball(x_adv: np.ndarray, x: np.ndarray, ours: Ours) -> None:
    """Raises if examples of the other side left the ball or [0, 1]."""
    change = np.abs(x_adv.astype("float64") - x).reshape(len(x), -1)
    size = change.max() if ours.norm == "Linf" else np.linalg.norm(change, axis=1).max()
    if not (size <= ours.radius + 1e-6 and 0 <= x_adv.min() <= x_adv.max() <= 1):
        raise ValueError(
            "`x_adv` of the other implementation must lie in the ball and in [0, 1]. "
            f"Received: {ours.norm} changes up to {size:.8g}, values from "
            f"{x_adv.min():g} to {x_adv.max():g}. Its verdicts cannot be compared."
        )


def elsewhere(classifier: Path, x: np.ndarray, framework: str, python: str):
    """Logits of images on another framework, in a process of its own; None: it fails.

    Args:
        classifier: path of the `.keras` file.
        x: images (M, H, W, C_in).
        framework: name of the backend of Keras.
        python: an interpreter that has it.
    """
    if not len(x):
        return np.zeros((0, 2))
    with tempfile.TemporaryDirectory() as folder:
        images, output = Path(folder) / "images.npy", Path(folder) / "logits.npy"
        np.save(images, x)
        paths = [str(_HERE.parent), os.environ.get("PYTHONPATH", "")]
        environment = os.environ | {"KERAS_BACKEND": framework}
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
        script = [python, str(_HERE / "logits.py"), str(classifier)]
        script += [str(images), str(output)]
        try:
            subprocess.run(
                script, env=environment, capture_output=True, text=True, check=True
            )
        except OSError as error:  # no such interpreter
            print(f"Their examples were not tried on {framework}: {error}")
            return None
        except subprocess.CalledProcessError as error:
            reason = (error.stderr.strip().splitlines() or ["no reason given"])[-1]
            print(f"Their examples were not tried on {framework}: {reason}")
            return None
        return np.load(output)


def define_flags() -> None:
    """The command line."""
    flags.DEFINE_string("run_dir", None, "Folder of a finished, evaluated run.")
    flags.DEFINE_string("classifier", None, "Instead: a .keras file.")
    flags.DEFINE_string("data", None, "With it: a data set, or an npz with x and y.")
    flags.DEFINE_string("data_dir", None, "Folder of prepared data.")
    flags.DEFINE_string("verdicts", None, "Ours; default: the run's newest.")
    flags.DEFINE_integer("limit", None, "First images only.", lower_bound=1)
    flags.DEFINE_integer("batch_size", 128, "Images per batch.", lower_bound=1)
    flags.DEFINE_integer("threads", None, "Of torch.", lower_bound=1)
    flags.DEFINE_string("other_python", sys.executable, "Has our verdicts' framework.")
    flags.DEFINE_string("output", None, "Where to write the JSON.")


def chosen(given) -> tuple[Path, dict, Path, Path]:
    """(classifier, data set, our verdicts, folder of the output), as the flags say."""
    if given.run_dir is not None:
        record, classifier = finished(given.run_dir)
        data, folder = source(record), Path(given.run_dir)
        return classifier, data, Path(given.verdicts or newest(folder)), folder
    if not (given.classifier and given.data and given.verdicts):
        raise ValueError(
            "`--run_dir` must be given, or `--classifier`, `--data` and `--verdicts`. "
            "Received: neither. Verdicts are what evaluate.py, or `save` of a "
            "RobustnessResult, has written."
        )
    data = {"name": given.data, "data_dir": given.data_dir}
    verdicts = Path(given.verdicts)
    return Path(given.classifier), data, verdicts, verdicts.parent


def main(arguments: list[str]) -> None:
    """Verifies as the flags say; prints tables, writes JSON."""
    if len(arguments) > 1:
        raise app.UsageError(f"Unexpected argument {arguments[1]!r}; flags begin --.")
    given = flags.FLAGS
    try:
        classifier, data, verdicts, folder = chosen(given)
        ours = read_verdicts(verdicts)
        x, y = load_images(data, ours)
        count = min(given.limit or len(y), len(y))
        upstream = find()
        torch.set_num_threads(given.threads or torch.get_num_threads())
        begun = time.perf_counter()
        found = verify(
            classifier,
            x[:count],
            y[:count],
            ours,
            upstream,
            batch_size=given.batch_size,
            other_python=given.other_python,
        )
    except (ValueError, FileNotFoundError, ImportError) as error:
        logging.debug("Where the error arose (shown by -v=1)", exc_info=True)
        sys.exit(f"error: {error}")
    seconds = round(time.perf_counter() - begun, 1)
    print(f"{found.table()}{seconds} seconds.")
    stamp = time.strftime("%Y%m%d-%H%M%S")
    path = Path(given.output or folder / f"verification-{stamp}.json")
    values = {"sha256": ours.sha256, "verdicts": verdicts.name, "seconds": seconds}
    values["threat_model"] = {"norm": ours.norm, "radius": ours.radius}
    write_json(path, values | found.to_dict())
    print(f"Written: {path}")


if __name__ == "__main__":
    define_flags()
    app.run(main)
