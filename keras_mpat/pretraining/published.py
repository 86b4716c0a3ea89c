"""Published PyTorch weights of ACL's ResNet-18, from a local file, into `resnet18`.

    classifier = models.resnet18(10, mean=IMAGENET_MEAN, std=IMAGENET_STD)
    load_published(classifier, "model.pt")

`.npz` files hold one array per name and are read without pickle; `.pt` files are read
by torch with `weights_only=True`, where torch is installed.
"""

import os
import re
import zipfile
import zlib
from pathlib import Path

import numpy as np
from keras import layers

from keras_mpat.configurable import check_count
from keras_mpat.models import checks
from keras_mpat.pretraining.contrastive import encoder_of
from keras_mpat.pretraining.initialize import copy_weights, forget_last

# Inside ACL's nets, for CIFAR, too.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

_NORM = {
    "weight": "gamma",
    "bias": "beta",
    "running_mean": "moving_mean",
    "running_var": "moving_variance",
}
# Names of ACL's repository: where a part is, and what it is called here.
_PLACES = (
    (r"^conv1$", "stem_conv"),
    (r"^bn1$", "stem_bn"),
    (r"^layer(\d)\.(\d)\.conv(\d)$", "stage{0}_block{1}_conv{2}"),
    (r"^layer(\d)\.(\d)\.bn(\d)$", "stage{0}_block{1}_bn{2}"),
    (r"^layer(\d)\.(\d)\.downsample\.(?:conv|0)$", "stage{0}_block{1}_shortcut_conv"),
    (r"^layer(\d)\.(\d)\.downsample\.(?:bn|1)$", "stage{0}_block{1}_shortcut_bn"),
)


def load_published(classifier, path, *, statistics: int = 1, zero_last: bool = False):
    """Copies published weights into the encoder of a `models.resnet18`.

    The projector or last layer of the file is left out; that of the classifier keeps
    its weights. All other names and shapes must fit, else nothing is copied.

    Args:
        classifier: `models.resnet18(...)` with `mean=IMAGENET_MEAN` and
            `std=IMAGENET_STD`, of the width of the file.
        path: a local `.npz`, `.pt` or `.pth` file.
        statistics: which of several sets of BatchNormalization: 0 is ACL's "normal",
            1 its "pgd". Default 1. Files with one set, such as fine-tuned nets, have no
            choice.
        zero_last: as of `initialize`. Default False.

    Returns:
        The classifier.

    Raises:
        ValueError: no such file or a damaged one, another architecture (the message
            names what differs), values that are not finite, no such set of statistics,
            or another normalization.
        ImportError: a `.pt` file and no torch.
    """
    checks.check_classifier(classifier)
    check_count("statistics", statistics, "1 is ACL's adversarial set.", minimum=0)
    arrays = renamed(read_arrays(path), statistics)
    _check_normalization(classifier)
    copy_weights(encoder_of(classifier), arrays, "path")
    if zero_last:
        forget_last(classifier)
    return classifier


def read_arrays(path) -> dict[str, np.ndarray]:
    """Arrays by name from a `.npz` or torch file, without unpickling of objects.

    Raises:
        ValueError: no such file, another kind, or entries that are no arrays.
        ImportError: a torch file and no torch.
    """
    given = path
    path = Path(given) if isinstance(given, str | os.PathLike) else None
    kinds = (".npz", ".pt", ".pth")
    if path is None or not path.is_file() or path.suffix not in kinds:
        raise ValueError(
            "`path` must be a local file that ends in .npz, .pt or .pth. Received: "
            f"path={str(given)!r}. Download the weights first."
        )
    if path.suffix == ".npz":
        return _read_npz(path)
    # Here, because interop brings the whole of evaluation with it.
    from keras_mpat import interop

    return interop.read_torch_weights(path)


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    try:
        if not zipfile.is_zipfile(path):  # else NumPy would try to unpickle it
            raise zipfile.BadZipFile
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
        raise ValueError(
            "`path` must be a .npz file that is whole. Received: "
            f"path={str(path)!r}, which is damaged or of another kind. Download or "
            "save it again."
        ) from error
    except ValueError as error:
        raise ValueError(
            "`path` must hold arrays of numbers only: other objects are executed "
            f"when they are read. Received: path={str(path)!r}. Save each tensor "
            "as an array of its own."
        ) from error


def renamed(arrays: dict, statistics: int) -> dict:
    """ACL's names and layouts as those of `models.resnet18`: path -> array.

    Raises:
        ValueError: the set of statistics is not in the file.
    """
    sets = {int(n) for name in arrays for n in re.findall(r"bn_list\.(\d+)\.", name)}
    if sets and statistics not in sets:
        raise ValueError(
            f"`statistics` must be one of the sets in the file, {sorted(sets)}. "
            f"Received: statistics={statistics}. 1 is ACL's adversarial set, 0 its "
            "clean one."
        )
    found = {}
    for name, array in arrays.items():
        name = name.removeprefix("module.")
        if name.startswith(("fc.", "normalize.")) or "num_batches" in name:
            continue
        place, _, kind = name.replace(".bn_list", "").rpartition(".")
        if ".bn_list." in name:
            place, _, number = place.rpartition(".")
            if int(number) != statistics:
                continue
        layer = _layer_of(place)
        if array.ndim == 4 and kind == "weight":
            found[f"{layer}/kernel"] = array.transpose(2, 3, 1, 0)
        else:
            found[f"{layer}/{_NORM.get(kind, kind)}"] = array
    return found


def _layer_of(place: str) -> str:
    """Our name of a layer; a place that is not in ACL's nets keeps its own."""
    for pattern, ours in _PLACES:
        match = re.match(pattern, place)
        if match:
            stage, *rest = match.groups() or ("",)
            # Blocks count from 0 there, from 1 here.
            numbers = [stage, *(str(int(n) + 1) for n in rest[:1]), *rest[1:]]
            return ours.format(*numbers)
    return place


def _check_normalization(classifier) -> None:
    norms = [x for x in classifier.layers if isinstance(x, layers.Normalization)]
    found = [np.ravel(norm.mean) for norm in norms]
    stds = [np.sqrt(np.ravel(norm.variance)) for norm in norms]
    fits = (
        len(found) == 1
        and np.allclose(found[0], IMAGENET_MEAN, atol=1e-4)
        and np.allclose(stds[0], IMAGENET_STD, atol=1e-4)
    )
    if not fits:
        raise ValueError(
            "`classifier` must normalize its images as the published nets do, by the "
            f"mean and std of ImageNet. Received: mean={[m.tolist() for m in found]}. "
            "Pass models.resnet18(..., mean=pretraining.IMAGENET_MEAN, "
            "std=pretraining.IMAGENET_STD)."
        )
