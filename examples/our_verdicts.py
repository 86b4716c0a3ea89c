"""Our stored verdicts of AutoAttack, and the images that they are of."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from train import length

import keras_mpat as mpat
from keras_mpat import datasets
from keras_mpat.evaluation import Evidence, RobustnessResult
from keras_mpat.evaluation.evidence import digests
from keras_mpat.evaluation.state import digest

# As a result tells it: the repr of an attack with one epsilon and inputs in [0, 1].
_ATTACK = re.compile(
    r"AutoAttack\(threat_model=(Linf|L2)\(epsilon='?([\d./e-]+)'?, "
    r"bounds=\(0(?:\.0)?, 1(?:\.0)?\), mutable=None\), version='standard'\)"
)
_BALLS = {"Linf": mpat.Linf, "L2": mpat.L2}


@dataclass(frozen=True)
class Ours:
    """Verdicts of our AutoAttack, standard version.

    Attributes:
        robust: bool (N,).
        norm: "Linf" or "L2".
        radius: of the ball, inputs in [0, 1].
        evidence: of the evaluation.
    """

    robust: np.ndarray
    norm: str
    radius: float
    evidence: Evidence

    @property
    def sha256(self) -> dict[str, str]:
        """Digests of weights and data."""
        return self.evidence.sha256

    @property
    def index(self) -> np.ndarray:
        """(M,), which examples we have fooled."""
        return self.evidence.index

    @property
    def adversarial(self) -> np.ndarray | None:
        """(M, H, W, C_in), how; None: not kept."""
        return self.evidence.adversarial

    @property
    def framework(self) -> str:
        """The backend of Keras."""
        others = {"python", "keras", "keras_mpat"}
        (name,) = self.evidence.versions.keys() - others
        return name

    @property
    def framework_in_words(self) -> str:
        """Its name and version."""
        return f"{self.framework} {self.evidence.versions[self.framework]}"

    def check_weights(self, classifier) -> None:
        """Raises unless the classifier is the one that the verdicts are of."""
        if digest(classifier.get_weights()) != self.sha256["weights"]:
            raise ValueError(
                "`--classifier` must be the one that the verdicts are of (sha256 of "
                f"its weights). Received: {classifier.name!r} with other weights. "
                "Evaluate it first, with evaluate.py --attacks autoattack."
            )


def newest(run_dir: Path) -> Path:
    """The last evaluation of a run that has verdicts of AutoAttack."""
    for path in sorted(run_dir.glob("evaluation-*.json"), reverse=True):
        if _stage(json.loads(path.read_text(encoding="utf-8"))["stages"]) is not None:
            return path
    raise ValueError(
        "`--run_dir` must hold verdicts of AutoAttack. Received: "
        f"run_dir={run_dir}, without. Run examples/evaluate.py --attacks autoattack."
    )


def read_verdicts(path: Path) -> Ours:
    """Reads what evaluate.py has written, and the npz beside it, if it is there.

    Raises:
        ValueError: no verdicts of AutoAttack's standard version on inputs in [0, 1], or
            a file of a state that kept no evidence.
        FileNotFoundError: no such file.
    """
    try:
        result = RobustnessResult.load(path)
    except (KeyError, json.JSONDecodeError):
        raise ValueError(
            "`--verdicts` must be what evaluate.py, or `save` of a RobustnessResult, "
            f"has written. Received: {path}, something else. Pass evaluation-….json."
        ) from None
    number = _stage([stage.to_dict() for stage in result.stages])
    if number is None or result.evidence is None:
        what = "evidence" if number is not None else "that attack"
        raise ValueError(
            "`--verdicts` must hold verdicts of AutoAttack's standard version in an "
            "Linf or L2 ball of one epsilon, inputs in [0, 1], and their evidence. "
            f"Received: {path}, without {what}. Run examples/evaluate.py --attacks "
            "autoattack."
        )
    norm, epsilon = _ATTACK.fullmatch(result.stages[number].attack).groups()
    proof, kept = result.evidence, Path(path).with_suffix(".npz")
    if kept.exists():
        proof = proof.with_examples(kept)
    radius = _BALLS[norm](length(epsilon)).radius
    return Ours(result.stages[number].correct, norm, radius, proof)


def _stage(stages: list[dict[str, Any]]) -> int | None:
    """Which of the stages is AutoAttack's."""
    found = [k for k, stage in enumerate(stages) if _ATTACK.fullmatch(stage["attack"])]
    return found[0] if found else None


def load_images(data: dict[str, Any], ours: Ours) -> tuple[np.ndarray, np.ndarray]:
    """The images (N, H, W, C_in) and labels of the verdicts.

    Args:
        data: as `datasets.arrays` takes it; a name that ends in .npz is a file with
            images x, gray levels or in [0, 1], and labels y.
        ours: the verdicts.

    Raises:
        ValueError: images other than those of the verdicts.
    """
    if data["name"].endswith(".npz"):
        with np.load(data["name"], allow_pickle=False) as stored:
            if not {"x", "y"} <= set(stored.files):
                raise ValueError(
                    "`--data` must be a data set, or an npz with images x and labels "
                    f"y. Received: {data['name']!r} with {sorted(stored.files)}. Write "
                    "it with np.savez(path, x=x, y=y)."
                )
            x, y = _unit(stored["x"]), stored["y"]
    else:
        x, y, _ = datasets.arrays(split="test", **data)
    count = len(ours.robust)
    x, y = x[:count].astype("float32"), y[:count].astype("int32")
    if x.ndim != 4 or any(ours.sha256[k] != v for k, v in digests(x, y).items()):
        raise ValueError(
            "`--data` must be the images of the verdicts, in their order (sha256). "
            f"Received: {data['name']!r}, whose first {len(y)} are others. Pass the "
            "data set that was evaluated."
        )
    return x, y


def _unit(x: np.ndarray) -> np.ndarray:
    """Images with a channel axis; gray levels as floats in [0, 1]."""
    x = x[..., None] if x.ndim == 3 else x
    return x.astype("float32") / 255 if x.dtype == "uint8" else x
