"""What a data set is, and the registry that names are looked up in.

datasets.register(
    datasets.DatasetInfo(
        name="shapes",
        input_shape=(16, 16, 1),
        class_names=("circle", "square"),
        loader=load_shapes,   # load_shapes("train" | "test", **where) -> x, y
    )
)
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from keras_mpat.choices import check_choice
from keras_mpat.datasets.augmentation import Augmentation
from keras_mpat.datasets.labels import label_table


@dataclasses.dataclass(frozen=True, kw_only=True)
class DatasetInfo:
    """The description of one data set: all that a script needs before it loads it.

    Args:
        name: Text, the name to load it by.
        input_shape: Shape of one image, (H, W, C_in).
        class_names: Names of the C classes that are trained on, in order.
        loader: `loader(part, *, data_dir, download) -> (images, labels)` with `part`
            one of `parts`, images (N, H, W, C_in) in uint8 or in floats within
            [0, 1], labels (N,) the fine labels (modes). The order of the examples is
            kept, and must be the same in each call.
        epsilon: L-infinity radius to train with, in pixel units (full range 1.0):
            a float or a fraction as text. Default `"8/255"`.
        mean: Mean of each channel of the training images; () if not known.
        std: Standard deviation of each channel, likewise.
        mode_names: Names of the fine labels, when several of them share a class.
            Default: `class_names`.
        label_map: The class of each fine label, one entry per mode. Default: itself.
        augmentation: An `Augmentation` for training batches, or None.
        sizes: Number of examples of each split, for display.
        parts: What `loader` can be asked for. `"train"` is divided into the splits
            "train" and "validation"; a part `"all"` becomes a split of its own.
        source: Where the images come from, in words.

    Raises:
        ValueError: If `label_map` does not fit `class_names` and `mode_names`.
    """

    name: str
    input_shape: tuple[int, ...]
    class_names: tuple[str, ...]
    loader: Callable[..., tuple[Any, Any]] = dataclasses.field(repr=False)
    epsilon: float | str = "8/255"
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    mode_names: tuple[str, ...] = ()
    label_map: tuple[int, ...] | None = None
    augmentation: Augmentation | None = None
    sizes: Mapping[str, int] = dataclasses.field(default_factory=dict)
    parts: tuple[str, ...] = ("train", "test")
    source: str = ""

    def __post_init__(self) -> None:
        if not self.mode_names:
            object.__setattr__(self, "mode_names", self.class_names)
        classes = int(label_table(self.label_map, self.num_modes).max()) + 1
        if classes != self.num_classes:
            raise ValueError(
                "`class_names` must hold one name for each class of `label_map` "
                f"({classes}). Received: class_names={self.class_names}, "
                f"label_map={self.label_map}. Name the classes that are trained on; "
                "the fine labels go to `mode_names`."
            )

    @property
    def num_classes(self) -> int:
        """Number C of classes that are trained on."""
        return len(self.class_names)

    @property
    def num_modes(self) -> int:
        """Number of fine labels; equal to C unless classes hide several modes."""
        return len(self.mode_names)

    @property
    def splits(self) -> tuple[str, ...]:
        """What `load` and `arrays` take as `split`."""
        return ("train", "validation", *(p for p in self.parts if p != "train"))


_REGISTRY: dict[str, DatasetInfo] = {}


def register(entry: DatasetInfo, *, replace: bool = False) -> DatasetInfo:
    """Makes a data set known under `entry.name`, for `info`, `load` and `arrays`.

    Args:
        entry: A `DatasetInfo`.
        replace: Whether a data set of that name may be replaced. Default False.

    Returns:
        `entry`.

    Raises:
        ValueError: If the name is taken and `replace` is False.
    """
    if entry.name in _REGISTRY and not replace:
        raise ValueError(
            "`entry.name` must be a name that is not taken. Received: "
            f"name={entry.name!r}. Choose another, or pass replace=True."
        )
    _REGISTRY[entry.name] = entry
    return entry


def names() -> tuple[str, ...]:
    """The names that `info`, `load` and `arrays` know."""
    return tuple(_REGISTRY)


def info(name: str) -> DatasetInfo:
    """The description of the data set `name`.

    Raises:
        ValueError: If there is none; the message lists those there are and names
            the nearest.
    """
    if not isinstance(name, str) or name not in _REGISTRY:
        fix = (
            "Add one with keras_mpat.datasets.register(keras_mpat.datasets."
            "DatasetInfo(name=..., input_shape=..., class_names=..., loader=...)), "
            "or pass arrays of your own to keras_mpat.datasets.from_arrays(x, y)."
        )
        check_choice("name", name, names(), fix)
    return _REGISTRY[name]
