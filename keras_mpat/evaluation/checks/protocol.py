"""How the model and the figures came about: twins, seeds, selection, test set."""

import keras
import numpy as np
from keras import layers, ops

from keras_mpat.attacks import APGD, PGD
from keras_mpat.evaluation.certification import can_certify, certified
from keras_mpat.evaluation.checks.check import (
    ERROR,
    INFO,
    WARNING,
    Check,
    Finding,
    NotApplicable,
    NotRun,
    within,
)
from keras_mpat.evaluation.checks.check import percent as share
from keras_mpat.evaluation.loading import load_classifier
from keras_mpat.models.checks import shapes
from keras_mpat.objectives import Margin

_MARGIN = Margin(kappa=None)
_FACTOR = 1e4
_WIDTH = 0.01  # half of a 95 % interval: 10 000 examples have it at any accuracy
_PROVEN = 200  # examples whose bounds are computed


def undefended(subject) -> Finding:
    """C27."""
    attack = PGD(subject.threat_model, steps=50, objective=_MARGIN)
    left = float(np.mean(subject.robust(attack, subject.twin("standard"))))
    return Finding(left <= 0.01, f"PGD-50 leaves {share(left)} of the standard net")


def rescaled(subject) -> Finding:
    """C28."""
    inputs = keras.Input(shapes(subject.classifier)[0][1:])
    outputs = layers.Rescaling(_FACTOR)(subject.classifier(inputs))
    attack = APGD(subject.threat_model, steps=20, objective=_MARGIN)
    plain = subject.robust(attack, subject.classifier)  # as the other: its own way
    masked = subject.robust(attack, keras.Model(inputs, outputs))
    gap = float(np.mean(masked) - np.mean(plain))
    text = f"APGD leaves {share(np.mean(plain))}, of logits times 10 000 "
    return Finding(within(gap, 0.01, subject.n), f"{text}{share(np.mean(masked))}")


def ablation(subject) -> Finding:
    """C29."""
    if subject.headed is None and "no head" not in (subject.given.get("twins") or {}):
        raise NotApplicable("the model has no head")
    twin = subject.twin("no head")
    attack = APGD(subject.threat_model, steps=50, objective=_MARGIN)
    own, other = subject.robust(attack), subject.robust(attack, twin)
    gained, lost = int(np.sum(own & ~other)), int(np.sum(other & ~own))
    text = f"with the head {share(np.mean(own))}, without {share(np.mean(other))}"
    return Finding(gained >= lost, f"{text} (APGD on the margin, 50 steps)")


def whole_set(subject) -> Finding:
    """C30."""
    low, high = subject.result.interval
    width = (high - low) / 2
    text = f"{subject.result.n} examples, {100 * low:.1f}–{100 * high:.1f} %"
    return Finding(width <= _WIDTH + 5e-4, f"{text}, worst case per example")


def selection(subject) -> Finding:
    """C31."""
    record = subject.need("record", "record={'selected_on': ...} of the training")
    if "selected_on" not in record:
        raise NotRun("needs record={'selected_on': ...}")
    chosen = record["selected_on"]
    return Finding(chosen != "test", f"weights chosen on: {chosen}")


def collapsed(subject) -> Finding:
    """C34."""
    modes = subject.given.get("modes")
    if modes is None:
        return Finding(True, "no fine labels (modes=) were given: one mode per class")
    model = subject.need("collapse_model", "collapse_model, trained on the modes")
    groups = groups_of(modes, subject.all_y, subject.num_classes)
    baseline = collapse(load_classifier(model), groups)
    attack = APGD(subject.threat_model, steps=50, objective=_MARGIN)
    own, other = subject.robust(attack), subject.robust(attack, baseline)
    clean = float(np.mean(subject.right(subject.x)))
    text = f"this model {share(clean)} clean and {share(np.mean(own))} robust, "
    text += f"collapsed fine net {share(np.mean(other))} robust (APGD on the margin)"
    return Finding(bool(np.sum(own) >= np.sum(other)), text, WARNING)


def broader(subject) -> Finding:
    """C35."""
    rng = np.random.default_rng(0)
    low, high = (np.asarray(bound, "float32") for bound in subject.threat_model.bounds)
    spread = 0.1 * (high - low)
    noisy = subject.x + spread * rng.standard_normal(subject.x.shape)
    noisy = np.clip(noisy, low, high).astype("float32")
    text = [f"Gaussian noise of 0.1 {share(np.mean(subject.right(noisy)))}"]
    if subject.x.ndim == 4:
        moved = np.roll(subject.x, 2, axis=2)
        text.append(f"shifted by 2 pixels {share(np.mean(subject.right(moved)))}")
    return Finding(True, ", ".join(text))


def floor(subject) -> Finding:
    """C36."""
    if not can_certify(subject.classifier):
        raise NotApplicable("no bounds are known for the layers of this net")
    x, y = subject.x[:_PROVEN], subject.y[:_PROVEN]
    proven = certified(subject.classifier, (x, y), subject.threat_model)
    # Attacked here, too: an evaluation that certifies spares what is proven.
    attack = APGD(subject.threat_model, steps=50, objective=_MARGIN)
    robust = subject.result.robust[: len(x)] & subject.robust(attack)[: len(x)]
    broken = np.flatnonzero(proven & ~robust)
    text = f"certified {share(np.mean(proven))}, attacked {share(np.mean(robust))}"
    named = f", against each other on example {broken[0]}" if len(broken) else ""
    return Finding(not len(broken), f"{text} of {len(x)} examples{named}")


def groups_of(modes, y, num_classes: int) -> np.ndarray:
    """The class of each mode, (F,), from fine labels and classes of the same data.

    Raises:
        NotRun: a mode belongs to two classes, or never occurs.
    """
    modes, y = np.asarray(modes), np.asarray(y)
    groups = np.full(int(modes.max()) + 1, -1)
    for mode in range(len(groups)):
        found = np.unique(y[modes == mode])
        if len(found) != 1:
            raise NotRun(f"needs modes that belong to one class each, unlike {mode}")
        groups[mode] = found[0]
    if set(groups) != set(range(num_classes)):
        raise NotRun("needs data with every class")
    return groups


def collapse(fine: keras.Model, groups: np.ndarray) -> keras.Model:
    """A net on F modes as a net on C classes: the largest logit of each class."""
    shape, output = shapes(fine)
    if output[-1] != len(groups):
        raise NotRun(f"needs a collapse_model with {len(groups)} logits")
    inputs = keras.Input(shape[1:])
    logits = fine(inputs)
    columns = [
        ops.max(ops.take(logits, np.flatnonzero(groups == c), axis=-1), axis=-1)
        for c in range(int(groups.max()) + 1)
    ]
    return keras.Model(inputs, ops.stack(columns, axis=-1))


CHECKS = (
    Check(
        "C27",
        "the attack breaks an undefended net",
        ERROR,
        "PGD-50 leaves at most 1 % of a standard net",
        "Mend the attack first: it fails where nothing defends.",
        undefended,
    ),
    Check(
        "C28",
        "the attack sees through scaled logits",
        ERROR,
        "logits times 10 000 gain at most 1 point under APGD",
        "Use objectives that survive saturation (DLR, margin).",
        rescaled,
    ),
    Check(
        "C29",
        "what the head adds (ablation)",
        ERROR,
        "beside a twin without the head, which breaks no fewer examples",
        "Report both; a head that costs robustness is no defence.",
        ablation,
    ),
    Check(
        "C30",
        "enough examples, worst case for each",
        ERROR,
        "half of the 95 % interval at most 1 point (10 000 examples)",
        "Evaluate the whole test set, or print the interval beside every figure.",
        whole_set,
    ),
    Check(
        "C31",
        "nothing was chosen on the test set",
        ERROR,
        "weights are the last ones or were chosen on a part of the training set",
        "Choose the epoch on validation data from the training set.",
        selection,
    ),
    Check(
        "C34",
        "beside the collapsed fine net (multi-mode data)",
        ERROR,
        "reported; a warning where the collapsed net is more robust",
        "Hidden modes that a plain net on the fine labels handles better gain nothing.",
        collapsed,
    ),
    Check(
        "C35",
        "other threats",
        INFO,
        "reported",
        "Robustness in one ball says little about others.",
        broader,
    ),
    Check(
        "C36",
        "nothing certified was broken",
        ERROR,
        "every certified example withstands every attack",
        "A contradiction is a bug of the bound or of the attack: report it.",
        floor,
    ),
)
