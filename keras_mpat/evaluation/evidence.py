"""What proves the verdicts of an evaluation, example by example.

result = evaluate_robustness(model, test, attack, state_dir="state")
result.evidence.broken_by, result.evidence.margins   # (N,), (N,)
result.evidence.save_examples("adversarial.npz")     # np.load reads it, no pickle
"""

import dataclasses
import hashlib
import json
import os
import platform
import sys
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_mpat import backend, files
from keras_mpat.version import __version__


@dataclass(frozen=True, eq=False)
class Evidence:
    """By which part an example was fooled, what is predicted there, and of what data.

    Attributes:
        sha256: of the "weights" (`state.digest` of `model.get_weights()`), and of the
            bytes of the "inputs" (N, ...) as float32 and the "labels" (N,) as int32.
        versions: of Python, keras, keras_mpat and the framework, by name.
        balls: the threat models of the parts, each once, as `ball_values` tells them;
            empty in files of earlier versions.
        parts: the attacks, or the parts of those that are sequences, as they ran.
        broken_by: int (N,), index in `parts` of the first that fooled the example; -1:
            none did, or it was wrong without an attack.
        predicted: int (N,), class of the adversarial example, else of the clean one.
        margins: float (N,), by how much the best wrong class leads there (difference of
            logits): positive where the example is misclassified.
        adversarial: float32 (M, ...), those of the M examples that were fooled, in
            order; None where the evaluation had no folder, and in a loaded result.
    """

    sha256: dict[str, str]
    versions: dict[str, str]
    parts: tuple[str, ...]
    broken_by: np.ndarray
    predicted: np.ndarray
    margins: np.ndarray
    adversarial: np.ndarray | None = None
    balls: tuple[dict[str, Any], ...] = ()

    @property
    def index(self) -> np.ndarray:
        """(M,), which examples were fooled: the rows of `adversarial`."""
        return np.flatnonzero(self.broken_by >= 0)

    def to_dict(self) -> dict[str, Any]:
        """All but the adversarial examples as JSON values; arrays as text."""
        return {
            "sha256": self.sha256,
            "versions": self.versions,
            "balls": list(self.balls),
            "parts": list(self.parts),
            "broken_by": " ".join(map(str, self.broken_by)),
            "predicted": " ".join(map(str, self.predicted)),
            "margins": " ".join(f"{margin:.9g}" for margin in self.margins),
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Evidence":
        """From what `to_dict` returned."""
        return cls(
            sha256=values["sha256"],
            versions=values["versions"],
            parts=tuple(values["parts"]),
            broken_by=np.array(values["broken_by"].split(), "int32"),
            predicted=np.array(values["predicted"].split(), "int32"),
            margins=np.array(values["margins"].split(), "float32"),
            balls=tuple(values.get("balls", ())),
        )

    def save_examples(self, path: str | os.PathLike) -> None:
        """Writes index (M,), adversarial (M, ...) and whose they are as npz.

        Whole or not at all.

        Raises:
            ValueError: the adversarial examples were not kept.
        """
        if self.adversarial is None:
            raise ValueError(
                "`adversarial` must hold examples where they are to be saved. Received:"
                " none. Pass state_dir= to evaluate_robustness, which keeps them."
            )
        with files.written(path, "wb") as file:
            np.savez_compressed(
                file,
                index=self.index,
                adversarial=self.adversarial,
                sha256=self._digest(),
            )

    def with_examples(self, path: str | os.PathLike) -> "Evidence":
        """The same with the adversarial examples that `save_examples` wrote.

        Files of earlier versions say only which examples they are of.

        Raises:
            ValueError: the file holds those of another evaluation.
        """
        with np.load(path, allow_pickle=False) as stored:
            index, adversarial = stored["index"], stored["adversarial"]
            whose = str(stored["sha256"]) if "sha256" in stored else self._digest()
        same = np.array_equal(index, self.index)
        if not same or whose != self._digest():
            what = f"of {len(index)} images" if not same else "of another evaluation"
            raise ValueError(
                "`path` must hold the adversarial examples of this result (sha256). "
                f"Received: path={os.fspath(path)!r}, with examples {what}. Pass the "
                "file that was written beside it."
            )
        return dataclasses.replace(self, adversarial=adversarial)

    def _digest(self) -> str:
        """sha256 of model, data and verdicts, which survive `to_dict`."""
        told = self.to_dict()
        names = ("sha256", "parts", "broken_by", "predicted", "margins")
        text = json.dumps([told[name] for name in names], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def digests(x: np.ndarray, y: np.ndarray) -> dict[str, str]:
    """sha256 of inputs (N, ...) and labels (N,), as in `Evidence.sha256`."""
    data = DataDigest()
    data.update(x, y)
    return data.to_dict()


class DataDigest:
    """`digests` of data that comes in chunks, however it is cut."""

    def __init__(self):
        self._inputs, self._labels = hashlib.sha256(), hashlib.sha256()

    def update(self, x: np.ndarray, y: np.ndarray) -> None:
        """Adds examples."""
        self._inputs.update(np.ascontiguousarray(x, "float32").tobytes())
        self._labels.update(np.ascontiguousarray(y, "int32").tobytes())

    def to_dict(self) -> dict[str, str]:
        """The digests by name."""
        return {
            "inputs": self._inputs.hexdigest(),
            "labels": self._labels.hexdigest(),
        }


def ball_values(threat_model) -> dict[str, Any]:
    """What a threat model allows, as JSON values: its norm, and lengths as numbers."""
    plain = {"epsilon": threat_model.radius, "bounds": list(threat_model.bounds)}
    config = threat_model.get_config() | plain
    config = {name: _plain(value) for name, value in config.items()}
    return {"norm": type(threat_model).__name__, **config}


def _plain(value):
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value


def versions() -> dict[str, str]:
    """Versions of what an evaluation ran on."""
    framework = sys.modules[backend.NAME]  # its distribution may have another name
    return {
        "python": platform.python_version(),
        "keras": keras.__version__,
        "keras_mpat": __version__,
        backend.NAME: framework.__version__,
    }
