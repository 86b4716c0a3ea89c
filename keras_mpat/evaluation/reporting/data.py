"""The images that a report looks at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_mpat.evaluation.embeddings import as_array

_TRAINING = 20_000  # images among which neighbors are looked for, and Gaussians fitted
_HOW = (
    'Pass (x, y), (x, y, modes), or {"test": (x, y, modes), "train": (x, y)}, as '
    "datasets.arrays gives them."
)


@dataclass(frozen=True, eq=False)
class ReportData:
    """Test images, and maybe training images.

    Attributes:
        x: float32 (N, ...), test images.
        y: int64 (N,), their classes.
        modes: int64 (N,), fine labels that differ from the classes, or None.
        x_train, y_train: training images (M, ...) and their classes, or None.
        class_names, mode_names: by number.
    """

    x: np.ndarray
    y: np.ndarray
    modes: np.ndarray | None
    x_train: np.ndarray | None
    y_train: np.ndarray | None
    class_names: Sequence[str]
    mode_names: Sequence[str]

    @property
    def pictures(self) -> bool:
        """Whether the examples can be shown: (H, W, 1) or (H, W, 3)."""
        return self.x.ndim == 4 and self.x.shape[-1] in (1, 3)


def checked_data(
    data, class_names=None, mode_names=None, *, num_classes: int = 0
) -> ReportData | None:
    """`ReportData` of what a caller passes; `None` stays.

    Args:
        data: (x, y) or (x, y, modes) of test images, or a mapping with those at "test"
            and (x, y) at "train"; `None`.
        class_names: names of the classes by number; `None`: their numbers.
        mode_names: names of the fine labels, likewise.
        num_classes: what a model may predict, even where no image is of the class.

    Raises:
        ValueError: something else, parts of unequal length, or too few names.
    """
    if data is None:
        return None
    parts = data if isinstance(data, Mapping) else {"test": data}
    if set(parts) - {"test", "train"} or "test" not in parts:
        raise ValueError(
            f"`data` must hold test images. Received: {list(parts)}. {_HOW}"
        )
    x, y, *modes = _arrays("test", parts["test"])
    train: list[Any] = [None, None]
    if "train" in parts:
        train = [part[:_TRAINING] for part in _arrays("train", parts["train"])[:2]]
    fine = modes[0] if modes and not np.array_equal(modes[0], y) else None
    size = max(num_classes, int(y.max()) + 1)
    names = fine_names = _names("class_names", class_names, size)
    if fine is not None:
        fine_names = _names("mode_names", mode_names, int(fine.max()) + 1)
    return ReportData(x, y, fine, *train, names, fine_names)


def _arrays(name: str, parts) -> list[np.ndarray]:
    if not isinstance(parts, (tuple, list)) or len(parts) not in (2, 3):
        what = f"a {type(parts).__name__}"
        if isinstance(parts, (tuple, list)):
            what += f" of {len(parts)}"
        raise ValueError(f"`data` must be arrays. Received: {name} is {what}. {_HOW}")
    x, *labels = (as_array(part) for part in parts)
    labels = [_classes(f"{name} labels", values) for values in labels]
    if any(len(values) != len(x) for values in labels) or not len(x):
        sizes = [len(x), *map(len, labels)]
        raise ValueError(
            f"`data` must have as many labels as images, at least one. Received: "
            f"{name} of lengths {sizes}. {_HOW}"
        )
    return [x, *labels]


def _classes(name: str, values: np.ndarray) -> np.ndarray:
    if values.ndim == 2 and values.shape[1] > 1:
        values = np.argmax(values, axis=1)
    values = values.reshape(-1)
    if not np.issubdtype(values.dtype, np.number) or np.any(values != np.floor(values)):
        raise ValueError(
            f"`data` must hold integer labels. Received: {name} of dtype "
            f"{values.dtype}. {_HOW}"
        )
    return values.astype("int64")


def _names(name: str, given, size: int) -> Sequence[str]:
    if given is None:
        return [str(number) for number in range(size)]
    if isinstance(given, str) or len(given) < size:
        raise ValueError(
            f"`{name}` must have a name for each of {size} labels. Received: {given!r}."
            " Pass datasets.info(...).class_names, or None."
        )
    return [str(text) for text in given]
