"""One check of an audit: a question with a threshold, and what its answer was."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

ERROR, WARNING, INFO = "error", "warning", "info"
PASS, FAIL, NOT_RUN = "pass", "fail", "not run"
NOT_APPLICABLE = "not applicable"


class NotRun(Exception):
    """Raised by a check that lacks something; the message says what: "needs ..."."""


class NotApplicable(Exception):
    """Raised by a check that cannot concern this model or ball; says why."""


@dataclass(frozen=True)
class Finding:
    """What a check measured.

    Attributes:
        passed: whether the threshold holds.
        text: the figures, in words.
        severity: "error", "warning" or "info" where it is not that of the check.
    """

    passed: bool
    text: str
    severity: str | None = None


@dataclass(frozen=True)
class Check:
    """A question about a classifier and its evaluation.

    Attributes:
        number: its name in the tables, e.g. "C01".
        title: the question in a few words.
        severity: "error": a failure forbids to publish the result; "warning": it must
            be explained; "info".
        threshold: when it passes, in words.
        advice: one sentence of what to do after a failure.
        measure: `Subject` -> `Finding`; may raise `NotRun` or `NotApplicable`.
    """

    number: str
    title: str
    severity: str
    threshold: str
    advice: str
    measure: Callable[[Any], Finding]

    def run(self, subject) -> "Answer":
        """Measures; what cannot be measured is not run, with the reason."""
        try:
            found = self.measure(subject)
        except NotRun as reason:
            return Answer(self, NOT_RUN, self.severity, str(reason))
        except NotApplicable as reason:
            return Answer(self, NOT_APPLICABLE, self.severity, str(reason))
        except Exception as error:  # one failure must not lose the other answers
            first = str(error).split("\n")[0][:200]
            text = f"stopped by {type(error).__name__}: {first}"
            return Answer(self, NOT_RUN, self.severity, text)
        status = PASS if found.passed else FAIL
        return Answer(self, status, found.severity or self.severity, found.text)


@dataclass(frozen=True)
class Answer:
    """A check and its outcome.

    Attributes:
        check: what was asked.
        status: "pass", "fail", "not run", or "not applicable": there is nothing to ask.
        severity: of a failure.
        text: the figures; what a check that was not run needs; why it does not apply.
    """

    check: Check
    status: str
    severity: str
    text: str

    def to_dict(self) -> dict[str, str]:
        """Everything as JSON values."""
        return {
            "check": self.check.number,
            "title": self.check.title,
            "status": self.status,
            "severity": self.severity,
            "found": self.text,
            "threshold": self.check.threshold,
            "advice": self.check.advice,
        }


def percent(share: float) -> str:
    """A share with one digit, e.g. "12.3 %"."""
    return f"{100 * share:.1f} %"


def within(share: float, limit: float, n: int) -> bool:
    """Whether a share is at most the limit, or a single example of n."""
    return share <= max(limit, 1 / n) + 1e-9
