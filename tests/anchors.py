"""A published MNIST net and its test images, from the folder of anchors.

MPAT_ANCHORS names the folder; its README.md says what is in it.
"""

import os
from pathlib import Path

import numpy as np

_DEFAULT = Path(__file__).resolve().parents[2] / "shared" / "anchors"


def folder() -> Path | None:
    """Where the anchors are, if they are there."""
    path = Path(os.environ.get("MPAT_ANCHORS", _DEFAULT)).expanduser()
    return path if (path / "mnist_test.npz").exists() else None


def published_net(path: Path):
    """The net of Wong et al. (2020), trained with FGSM: two convolutions, two layers.

    Its weights are stored channels first: kernels (O, I, H, W), and a first dense layer
    on channels before rows before columns.

    Returns:
        A `keras.Sequential` on images (B, 28, 28, 1).
    """
    import keras
    from keras import layers

    net = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(16, 4, strides=2, padding="same", activation="relu"),
            layers.Conv2D(32, 4, strides=2, padding="same", activation="relu"),
            layers.Flatten(),
            layers.Dense(100, activation="relu"),
            layers.Dense(10),
        ],
        name="wong_2020_fgsm",
    )
    with np.load(path / "wong_mnist_fgsm_torchlayout.npz") as stored:
        kernels = [stored[f"{n}.weight"] for n in (0, 2, 5, 7)]
        biases = [stored[f"{n}.bias"] for n in (0, 2, 5, 7)]
    kernels[:2] = [kernel.transpose(2, 3, 1, 0) for kernel in kernels[:2]]
    by_pixel = kernels[2].reshape(100, 32, 7, 7).transpose(2, 3, 1, 0)
    kernels[2:] = [by_pixel.reshape(-1, 100), kernels[3].T]
    pairs = zip(kernels, biases, strict=True)
    net.set_weights([array for pair in pairs for array in pair])
    return net


def images(path: Path, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The first test images (N, 28, 28, 1) in [0, 1], and their digits (N,)."""
    with np.load(path / "mnist_test.npz") as stored:
        x, y = stored["x"][:count], stored["y"][:count]
    return x[..., None].astype("float32") / 255, y.astype("int32")
