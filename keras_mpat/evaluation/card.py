"""Model cards: what a robust accuracy means, in the fields of RobustBench.

    card = model_card(result, model="robust.keras", threat_model=Linf("8/255"),
                      dataset="cifar10, test")
    card.save("runs/cifar10")        # card.json and card.md

References:
    Mitchell et al., arXiv:1810.03993; Croce et al., arXiv:2010.09670 (RobustBench).
"""

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keras_mpat import files
from keras_mpat.attacks import AutoAttack
from keras_mpat.evaluation.card_checks import (
    as_dict,
    check_audit,
    check_same,
    check_verification,
)
from keras_mpat.evaluation.card_text import markdown
from keras_mpat.evaluation.loading import load_classifier
from keras_mpat.evaluation.result import Part, RobustnessResult, wilson_interval
from keras_mpat.models.checks import shapes
from keras_mpat.threat_models import ThreatModel


@dataclass(frozen=True)
class ModelCard:
    """What is known of a classifier's robustness; see `model_card`.

    Args:
        values: everything, as JSON values.
    """

    values: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON values."""
        return self.values

    def to_markdown(self) -> str:
        """The card as text for people."""
        return markdown(self.values)

    def save(self, folder: str | os.PathLike) -> None:
        """Writes card.json and card.md into a folder, each whole or not at all."""
        os.makedirs(folder, exist_ok=True)
        text = json.dumps(self.values, indent=1) + "\n"
        for name, content in (("card.json", text), ("card.md", self.to_markdown())):
            path = os.path.join(os.fspath(folder), name)
            files.write_text(path, content)


def model_card(
    result: RobustnessResult | Sequence[RobustnessResult],
    *,
    model,
    threat_model: ThreatModel,
    dataset: str,
    training: Mapping[str, Any] | None = None,
    verification=None,
    audit=None,
) -> ModelCard:
    """A card of one classifier, or of one recipe trained with several seeds.

    A robust accuracy stands on it with the attacks behind it and whether it was
    audited, never alone. What was not recorded is said to be so.

    Args:
        result: of `evaluate_robustness`; several: one per seed, on the same examples
            and under the same attacks, of which mean and worst are given.
        model: the classifier, or the path of its file; of several seeds any one.
        threat_model: that of all attacks.
        dataset: name and split, in words.
        training: how it was trained, as JSON values; None: not said.
        verification: a `Verification`, or the dict that it makes, of the same weights.
        audit: a dict with the list "flags" (empty: nothing found), or an object whose
            `to_dict` gives one; None: not audited.

    Raises:
        ValueError: results that cannot stand on one card, a model that was not
            evaluated, another threat model, or an audit without flags.
    """
    results = list(result) if isinstance(result, (list, tuple)) else [result]
    classifier = load_classifier(model)
    check_same(results, classifier, threat_model)
    shape, (_, classes) = shapes(classifier)
    verified = None
    if verification is not None:
        verified = as_dict("verification", verification)
        check_verification(verified, results, threat_model)
    values = {
        "name": classifier.name,
        "dataset": dataset,
        "examples": results[0].n,
        "classes": classes,
        "threat_model": {
            "norm": type(threat_model).__name__,
            "epsilon": threat_model.get_config()["epsilon"],
            "settings": repr(threat_model),
        },
        "architecture": {
            "name": classifier.name,
            "input_shape": list(shape[1:]),
            "layers": dict(Counter(type(part).__name__ for part in classifier.layers)),
            "parameters": classifier.count_params(),
        },
        "attacks": [_attack(stage, classes) for stage in results[0].stages],
        "results": [_result(one) for one in results],
        "summary": _summary(results),
        "training": None if training is None else as_dict("training", training),
        "audit": _flags(audit, results),
        "verification": verified,
    }
    return ModelCard(values)


def _attack(stage, classes: int) -> dict[str, Any]:
    """Name, protocol and every setting of an attack and its parts."""
    protocol = stage.attack.partition("(")[0]
    if protocol == AutoAttack.__name__ and classes < 4:
        protocol += "-K"
    parts = [{"name": part.name, "settings": part.attack} for part in stage.parts]
    return {
        "name": stage.name,
        "protocol": protocol,
        "settings": stage.attack,
        "parts": parts if len(parts) > 1 else [],
    }


def _result(result: RobustnessResult) -> dict[str, Any]:
    proof = result.evidence
    stages = []
    for stage in result.stages:
        parts = stage.parts if len(stage.parts) > 1 else ()
        own = [_accuracy(part) for part in parts]
        stages.append(_accuracy(stage) | {"parts": own})
    values = {
        "clean": _share(result.clean),
        "robust": _share(result.robust),
        "stages": stages,
        "zero_gradients": result.zero_gradients,
        "seed": result.seed,
        "sha256": None if proof is None else proof.sha256,
        "versions": None if proof is None else proof.versions,
    }
    certified = result.to_dict().get("certified_accuracy")
    return values if certified is None else values | {"certified": certified}


def _accuracy(part: Part) -> dict[str, Any]:
    return {"name": part.name, **_share(part.correct), "seconds": round(part.seconds)}


def _share(flags) -> dict[str, Any]:
    count, n = int(flags.sum()), len(flags)
    return {"accuracy": count / n, "interval": list(wilson_interval(count, n))}


def _summary(results: Sequence[RobustnessResult]) -> dict[str, Any]:
    """Mean and worst of the seeds."""
    columns = {
        "clean": [result.clean_accuracy for result in results],
        "robust": [result.robust_accuracy for result in results],
    }
    return {
        name: {"mean": sum(column) / len(column), "worst": min(column)}
        for name, column in columns.items()
    }


def _flags(audit, results) -> dict[str, Any] | None:
    if audit is None:
        return None
    values = as_dict("audit", audit)
    check_audit(values, results)
    return values | {"flags": list(values["flags"])}
