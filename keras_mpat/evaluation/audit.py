"""`audit`: how far a robustness figure can be trusted, check by check.

report = audit(model, (x, y), Linf("8/255"), twins={"standard": plain})
print(report.to_markdown())     # every check: pass, fail, not run, …
sys.exit(report.exit_code)      # 0; 1: an error; 2: incomplete
"""

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_mpat import files
from keras_mpat.attacks import Attack
from keras_mpat.evaluation.audit_inputs import check_options, checked
from keras_mpat.evaluation.buckets import buckets
from keras_mpat.evaluation.checks import CHECKS, Answer, Subject
from keras_mpat.evaluation.checks.check import ERROR, FAIL, NOT_RUN, PASS
from keras_mpat.evaluation.loading import load_classifier
from keras_mpat.evaluation.result import RobustnessResult
from keras_mpat.evaluation.robustness import named_attacks
from keras_mpat.models.checks import shapes
from keras_mpat.threat_models import ThreatModel, check_threat_model

_NO_LOGITS = "needs logits, see C01: attacks refuse probabilities"


@dataclass(frozen=True)
class Audit:
    """The answers to all checks, and the evaluation they are about.

    Attributes:
        answers: one per check, all of them, in order.
        result: the evaluation; `None` where it could not be run.
        examples: how many the dearer checks took.
    """

    answers: tuple[Answer, ...]
    result: RobustnessResult | None
    examples: int

    @property
    def verdict(self) -> str:
        """ "failed": an error; "incomplete": an error-class check was not run (one that
        does not apply lacks nothing); else "passed"."""
        errors = [answer for answer in self.answers if answer.severity == ERROR]
        if any(answer.status == FAIL for answer in errors):
            return "failed"
        return "incomplete" if any(a.status == NOT_RUN for a in errors) else "passed"

    @property
    def exit_code(self) -> int:
        """0 for "passed", 1 for "failed", 2 for "incomplete"."""
        return {"passed": 0, "failed": 1, "incomplete": 2}[self.verdict]

    @property
    def flags(self) -> tuple[Answer, ...]:
        """The checks that failed."""
        return tuple(answer for answer in self.answers if answer.status == FAIL)

    def summary(self) -> str:
        """The verdict and the flags in one line, to stand beside a figure."""
        counts = [sum(a.status == s for a in self.answers) for s in (PASS, NOT_RUN)]
        flags = ", ".join(f"{a.check.number} {a.severity}" for a in self.flags)
        text = f"audit {self.verdict}: {counts[0]} passed, {counts[1]} not run"
        return f"{text}, flags: {flags or 'none'}"

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON values."""
        return {
            "verdict": self.verdict,
            "exit_code": self.exit_code,
            "examples": self.examples,
            "flags": [
                f"{a.check.number} ({a.severity}), {a.check.title}: {a.text}"
                for a in self.flags
            ],
            "not_run": [
                answer.check.number
                for answer in self.answers
                if answer.status == NOT_RUN
            ],
            "sha256": self.result and self.result.evidence.sha256,
            "checks": [answer.to_dict() for answer in self.answers],
            "result": self.result and self.result.to_dict(),
        }

    def to_markdown(self) -> str:
        """A table of all checks, and what to do about those that failed."""
        rows = ["| check | question | answer | found | passes if |"]
        rows.append("| --- | --- | --- | --- | --- |")
        for answer in self.answers:
            word = answer.status
            if word == FAIL:
                word = f"**{word}** ({answer.severity})"
            check = answer.check
            rows.append(
                f"| {check.number} | {check.title} | {word} | {answer.text} | "
                f"{check.threshold} |"
            )
        advice = [f"- {a.check.number}: {a.check.advice}" for a in self.flags]
        note = f"The dearer checks took the first {self.examples} examples."
        return "\n".join([self.summary() + ".", "", *rows, "", note, *advice]) + "\n"

    def save(self, folder: str | os.PathLike) -> None:
        """Writes audit.json and audit.md into a folder."""
        os.makedirs(folder, exist_ok=True)
        texts = {
            "audit.json": json.dumps(self.to_dict(), indent=1) + "\n",
            "audit.md": self.to_markdown(),
        }
        for name, text in texts.items():
            path = os.path.join(folder, name)
            files.write_text(path, text)


def audit(
    model_or_path,
    data,
    threat_model: ThreatModel,
    *,
    attack: Attack | Mapping[str, Attack] | None = None,
    twins: dict[str, Any] | None = None,
    runs=None,
    collapse_model=None,
    modes=None,
    record: dict[str, Any] | None = None,
    train=None,
    head_model=None,
    examples: int = 500,
    batch_size: int = 128,
    state_dir: str | os.PathLike | None = None,
    seed: int = 0,
    certify: bool = False,
    verbose: bool = True,
) -> Audit:
    """Evaluates a classifier and asks everything that may be wrong with the figure.

    Args:
        model_or_path: an `AdversarialModel` (its head is attacked, too), a Keras
            classifier with logits, or the path of a `.keras` file.
        data: (x, y) arrays, or a `tf.data.Dataset` of batches.
        threat_model: what the adversary may do.
        attack: the evaluation that is audited: an attack, or a dict of attacks by name;
            `None`: `AutoAttack(threat_model)`.
        twins: models, or their paths, by name: "standard", trained without adversary;
            "no head", with the same adversary and head_weight 0; any others are
            surrogates of the transfer check.
        runs: `RobustnessResult`s of the same method with other seeds.
        collapse_model: a classifier of the fine labels, for data with several modes per
            class.
        modes: fine labels (N,), for data with several modes per class.
        record: what is known of the training; `selected_on`: "last epoch" (nothing
            was chosen), "validation" or "test".
        train: (x, y) training images, which attacks on the head imitate.
        head_model: the `AdversarialModel`, or its path, that a plain classifier was
            taken from: its head is attacked.
        examples: the dearer checks take this many, >= 1.
        batch_size: examples per batch, >= 1.
        state_dir: where the evaluation keeps its work; an interrupted audit goes on.
        seed: seed of all noise, >= 0.
        certify: whether the evaluation skips what it can prove.
        verbose: show progress.

    Returns:
        An `Audit`. Checks that lack something are listed as not run, with what they
        need; those without a subject, e.g. of a head where there is none, as not
        applicable.

    Raises:
        ValueError: not a classifier, data or a threat model, something beside them
            that does not fit, or a `state_dir` of another evaluation.

    References:
        Carlini et al., arXiv:1902.06705; Pintor et al., arXiv:2106.09947; Croce and
        Hein, arXiv:2003.01690.
    """
    check_threat_model(threat_model)
    check_options(examples, batch_size, seed, certify, verbose)
    classifier = load_classifier(model_or_path, softmax=True)
    classes = shapes(classifier)[1][-1]
    if attack is not None:
        named_attacks(attack, classes)  # raises unless it is one
    data = _arrays(data, classes)
    given = {
        "twins": twins,
        "runs": runs,
        "collapse_model": collapse_model,
        "modes": modes,
        "record": record,
        "train": train,
        "head_model": head_model,
    }
    given = checked(given, classifier, data, threat_model)
    options = {"seed": seed, "batch_size": batch_size, "verbose": verbose}
    with tempfile.TemporaryDirectory() as folder:
        subject = Subject(
            model_or_path,
            classifier,
            data,
            threat_model,
            attack=attack,
            examples=examples,
            state_dir=os.fspath(state_dir or folder),
            given=given,
            options=options,
            certify=certify,
        )
        answers: list[Answer] = []
        for check in CHECKS:
            answers.append(_answer(check, subject, answers))
            if verbose:
                print(f"{check.number} {answers[-1].status}: {check.title}", flush=True)
        return Audit(tuple(answers), vars(subject).get("result"), subject.n)


def _answer(check, subject: Subject, before: list[Answer]) -> Answer:
    """The answer to one check; the evaluation itself is run when it may be."""
    if before and before[0].status == FAIL:
        return Answer(check, NOT_RUN, check.severity, _NO_LOGITS)
    if len(before) == 2 and before[1].status != FAIL:
        _ = subject.result  # what it refuses is an error of the call
    return check.run(subject)


def _arrays(data, num_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """All of the data as (x, y), labels int32 (N,)."""
    parts = [(x[:n], y[:n]) for x, y, n in buckets(data, 1024, None, num_classes)]
    x, y = (np.concatenate(rows) for rows in zip(*parts, strict=True))
    return x, y
