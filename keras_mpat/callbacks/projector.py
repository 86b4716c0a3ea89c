"""Files that TensorBoard's Projector reads: points, what they are, and where."""

import os
from collections.abc import Sequence

import numpy as np

from keras_mpat import files
from keras_mpat.evaluation.latent import LatentSet
from keras_mpat.layers.prototypes import directions

_CONFIG = """embeddings {
  tensor_name: "latent space"
  tensor_path: "embeddings.tsv"
  metadata_path: "metadata.tsv"
}
"""
_HEADER = ("kind", "class", "predicted", "fooled", "mode")


def write_projector(
    folder: str | os.PathLike,
    found: LatentSet,
    prototypes: np.ndarray,
    classes: np.ndarray,
    *,
    names: Sequence[str] | None = None,
) -> None:
    """Writes embeddings.tsv, metadata.tsv and projector_config.pbtxt.

    Rows are scaled to length 1, as heads see them. TensorBoard finds the
    configuration in folders that also hold events.

    Args:
        folder: where.
        found: clean and attacked examples.
        prototypes: (P, D) of length 1; (0, 0) without any.
        classes: int (P,), their classes.
        names: names of the classes by number; `None`: their numbers.
    """
    parts = [found.clean, found.adversarial, *([prototypes] if len(prototypes) else [])]
    points = directions(np.concatenate(parts))
    lines = ["\t".join(f"{value:.5g}" for value in row) for row in points]
    texts = {
        "embeddings.tsv": "\n".join(lines) + "\n",
        "metadata.tsv": "\n".join(_metadata(found, classes, names)) + "\n",
        "projector_config.pbtxt": _CONFIG,
    }
    os.makedirs(folder, exist_ok=True)
    for name, text in texts.items():
        files.write_text(os.path.join(folder, name), text)


def _metadata(found: LatentSet, classes, names) -> list[str]:
    def name(label) -> str:
        return str(label) if names is None else " ".join(names[label].split())

    lines = ["\t".join(_HEADER)]
    modes = ["-"] * len(found.y) if found.modes is None else found.modes
    guesses = {"clean": found.clean_predicted, "attacked": found.adversarial_predicted}
    for kind, predicted in guesses.items():
        for label, guess, mode in zip(found.y, predicted, modes, strict=True):
            fooled = "yes" if guess != label else "no"
            lines.append("\t".join([kind, name(label), name(guess), fooled, str(mode)]))
    lines += ["\t".join(["prototype", name(c), "-", "-", "-"]) for c in classes]
    return lines
