"""What may stand on one model card: questions asked before it is written."""

from collections.abc import Mapping, Sequence
from typing import Any

from keras_mpat.evaluation.evidence import ball_values
from keras_mpat.evaluation.result import RobustnessResult
from keras_mpat.evaluation.state import digest
from keras_mpat.threat_models import ThreatModel, check_threat_model

_VERIFICATION = {
    *("implementation", "n", "robust_accuracy", "our_robust_accuracy", "mcnemar"),
    *("contingency", "ours_on_their_framework", "theirs_on_our_framework"),
}


def check_same(
    results: Sequence[RobustnessResult], classifier, threat_model: ThreatModel
) -> None:
    """Raises unless the results are of one recipe, this model and this threat model."""
    for result in results:
        if not isinstance(result, RobustnessResult):
            raise ValueError(
                "`result` must be a RobustnessResult, or one per seed. Received: a "
                f"{type(result).__name__}. Pass what evaluate_robustness returned."
            )
    plans = {(r.n, *((s.name, s.attack) for s in r.stages)) for r in results}
    data = {_of(r, "inputs", "labels") for r in results}
    if len(plans) != 1 or len(data) != 1:
        what = "other attacks or another number" if len(plans) != 1 else "other data"
        raise ValueError(
            "`result` must hold one result per seed, on the same examples and under "
            f"the same attacks. Received: {len(results)} results"
            f"{', with ' + what if results else ''}. Evaluate all seeds alike."
        )
    check_threat_model(threat_model)
    other = _other_ball(results[0], threat_model)
    if other:
        raise ValueError(
            f"`threat_model` must be that of the attacks. Received: {threat_model!r}, "
            f"but {other}. Pass the one that the attacks were made with."
        )
    known = {weights for r in results for weights in _of(r, "weights")}
    if None not in known and digest(classifier.get_weights()) not in known:
        raise ValueError(
            "`model` must be the one that was evaluated (sha256 of its weights). "
            "Received: one with other weights. Evaluate it, or pass the file that the "
            "result is of."
        )


def _other_ball(result: RobustnessResult, threat_model: ThreatModel) -> str:
    """What says that an attack had another threat model; empty if nothing does."""
    balls = () if result.evidence is None else result.evidence.balls
    for ball in balls:
        if ball != ball_values(threat_model):
            return f"an attack had {str(ball)[:100]}"
    for stage in () if balls else result.stages:  # of an earlier version
        if repr(threat_model) not in stage.attack:
            return f"{stage.name} is {stage.attack[:60]}…"
    return ""


def check_verification(
    verification: Mapping[str, Any],
    results: Sequence[RobustnessResult],
    threat_model: ThreatModel,
) -> None:
    """Raises unless it is one, and of the same weights in the same ball."""
    missing = sorted(_VERIFICATION - verification.keys())
    if missing:
        raise ValueError(
            "`verification` must be a Verification, or the dict that it makes. "
            f"Received: one without {missing[0]!r}. Pass what "
            "verify_with_autoattack.py has written."
        )
    sha256 = verification.get("sha256")
    known = {weights for r in results for weights in _of(r, "weights")}
    if sha256 and None not in known and sha256["weights"] not in known:
        raise ValueError(
            "`verification` must be of the same weights as `result` (sha256). "
            f"Received: one of {sha256['weights'][:12]}…. Verify this classifier, or "
            "leave it out."
        )
    own = {"norm": type(threat_model).__name__, "radius": threat_model.radius}
    if verification.get("threat_model", own) != own:
        raise ValueError(
            "`verification` must be of the same threat model as `result`. Received: "
            f"{verification['threat_model']}, not {own}. Verify it there, or leave it "
            "out."
        )


def check_audit(audit: Mapping[str, Any], results: Sequence[RobustnessResult]) -> None:
    """Raises unless an audit tells its flags, and is of one of these evaluations."""
    if not isinstance(audit.get("flags"), (list, tuple)):
        raise ValueError(
            "`audit` must have the list 'flags', empty where nothing was found. "
            f"Received: an audit with {sorted(audit)}. Pass what the audit returned."
        )
    own = audit.get("sha256")
    known = {_of(result, "weights", "inputs") for result in results}
    if own and (own["weights"], own["inputs"]) not in known:
        raise ValueError(
            "`audit` must be of the evaluation on the card (sha256 of weights and "
            "inputs). Received: an audit of another model or other data. Audit this "
            "one."
        )


def as_dict(name: str, given) -> dict[str, Any]:
    """A mapping, or what the `to_dict` of an object gives, as a dict."""
    if isinstance(given, Mapping):
        return dict(given)
    try:
        return dict(given.to_dict())
    except AttributeError:
        raise ValueError(
            f"`{name}` must be a dict, or an object whose to_dict gives one. Received: "
            f"a {type(given).__name__}. Leave it out where there is none."
        ) from None


def _of(result: RobustnessResult, *names: str) -> tuple[str | None, ...]:
    proof = result.evidence
    return tuple(None if proof is None else proof.sha256[name] for name in names)
