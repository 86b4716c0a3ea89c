"""`evaluate_robustness`: accuracy under attack, per example and in the worst case.

    result = evaluate_robustness("robust.keras", (x, y), attacks.PGD(Linf(0.3)))
    print(result.clean_accuracy, result.robust_accuracy, result.interval)

Data is taken in chunks (`driver.py` works on one), in batches of one fixed size. Noise
is keyed by (seed, part, run, example), so the order of the attacks and the number of
examples do not change a verdict.
"""

import json
import os
from collections.abc import Mapping

import keras
import numpy as np

from keras_mpat.attacks import Attack
from keras_mpat.attacks.worst_case import by_name
from keras_mpat.configurable import check_count, check_switch
from keras_mpat.evaluation import driver, dynamic
from keras_mpat.evaluation import state as saved_state
from keras_mpat.evaluation.buckets import buckets
from keras_mpat.evaluation.certification import Certifier
from keras_mpat.evaluation.evidence import DataDigest, Evidence, ball_values, versions
from keras_mpat.evaluation.loading import load_classifier
from keras_mpat.evaluation.progress import Progress
from keras_mpat.evaluation.result import Part, RobustnessResult, Stage
from keras_mpat.input_checks import check_inputs, check_scale
from keras_mpat.models.checks import shapes

BATCHES = 16  # in a chunk: the more, the fewer batches are filled up with copies
_ROWS = 4  # what a chunk holds: earlier states had no leads, then no order of attacks


def evaluate_robustness(
    model_or_path,
    data,
    attacks,
    *,
    limit: int | None = None,
    batch_size: int = 128,
    state_dir: str | os.PathLike | None = None,
    seed: int = 0,
    certify: bool = False,
    verbose: bool = True,
) -> RobustnessResult:
    """Runs attacks on a classifier and returns the verdict for each example.

    Every attack starts from the clean image. An example that is wrong without an attack
    counts as not robust. Runs of an attack (restarts, target classes, the stages of
    `AutoAttack`) follow one another on the examples that are still classified right;
    every success is checked again from the example itself, in float32.

    Args:
        model_or_path: a Keras classifier with logits, an `AdversarialModel` (what it
            predicts from is evaluated), or the path of a `.keras` file.
        data: (x, y) arrays or a `tf.data.Dataset` of batches (x, y), in a fixed order.
        attacks: one attack, a list, or a dict from names to attacks.
        limit: evaluate the first `limit` examples only; `None`: all.
        batch_size: examples per batch, >= 1.
        state_dir: folder in which the work is kept, adversarial examples included; the
            same call continues after an interruption.
        seed: seed of the attacks' noise, >= 0.
        certify: first prove what can be proven (`certified`), and spare those examples
            the attacks: they are robust. Ask `can_certify` whether a model allows it.
        verbose: show a progress bar with the time left.

    Returns:
        A `RobustnessResult`.

    Raises:
        ValueError: a count below 1, a model that ends in softmax, inputs outside the
            bounds, labels that do not fit, no data, an attack that leaves the ball,
            attacks by transfer alone on a model with dynamic inference, a `state_dir`
            of another evaluation, or `certify` of a layer without bounds.
    """
    check_count("batch_size", batch_size, "128 suits most.")
    if limit is not None:
        check_count("limit", limit, "None evaluates all examples.")
    check_switch("certify", certify)
    classifier = load_classifier(model_or_path)
    shape, output = shapes(classifier)
    named = named_attacks(attacks, output[-1])
    for attack in named.values():
        attack.check(shape[1:], output[-1])
    parts = driver.plan(named, output[-1])
    dynamic.check_parts(classifier, [part.value for part in parts])
    balls = _threat_models(parts) if certify else []
    settings = {"seed": seed, "batch_size": batch_size, "limit": limit}
    settings |= {"certify": True} if certify else {}
    identity = fingerprint(classifier, named) | settings
    state = saved_state.State(state_dir, identity)
    work = driver.Driver(
        classifier,
        parts,
        seed=seed,
        batch_size=batch_size,
        keep=bool(state.folder),
        certifiers=[Certifier(classifier, b, "crown", batch_size) for b in balls],
    )
    size = BATCHES * batch_size
    progress = Progress(parts, _count(data, limit, size), verbose)
    seen = DataDigest()
    for number, (x, y, valid) in enumerate(buckets(data, size, limit, output[-1])):
        x, y = x[:valid], y[:valid]
        seen.update(x, y)
        chunk = state.chunk(number, saved_state.digest([x, y]))
        if not chunk.finished:
            _check(x, named, shape[1:], first=not number)
            step = stepper(state, chunk, progress)
            work.work(chunk, x.astype("float32"), y, number * size, step)
            state.save(chunk)
        progress.end_chunk()
    sha256 = {"weights": identity["weights"]} | seen.to_dict()
    evidence = _evidence(state, named, parts, sha256)
    return _result(state, named, parts, seed, evidence, len(balls))


def _check(x, named: dict[str, Attack], shape, *, first: bool) -> None:
    for attack in named.values():
        check_inputs(x, attack.threat_model, shape)
        if first:  # the last chunk may be one dark image
            check_scale(x, attack.threat_model)


def stepper(state, chunk, progress):
    """What the driver calls after each batch: shows it, and keeps the work."""

    def step(part: int, runs: float) -> None:
        progress.step(part, runs)
        state.save(chunk)

    return step


def _count(data, limit: int | None, size: int) -> int | None:
    """Number of chunks, if the data tells its length."""
    if isinstance(data, (tuple, list)) and len(data) == 2:
        n = np.shape(data[0])[0] if limit is None else min(limit, np.shape(data[0])[0])
        return -(-n // size)
    return None if limit is None else -(-limit // size)


def _evidence(state, named, parts, sha256: dict[str, str]) -> Evidence:
    names, broken_by = [], state.concatenated("broken by")
    for number, name in enumerate(named):
        own = [part.name for part in parts if part.attack == number]
        names += [f"{name}: {part}" for part in own] if len(own) > 1 else [name]
    kept = None
    if state.folder is not None:
        kept = state.concatenated("adversarial")[broken_by >= 0]
    return Evidence(
        sha256=sha256,
        versions=versions(),
        parts=tuple(names),
        broken_by=broken_by,
        predicted=state.concatenated("predicted"),
        margins=state.concatenated("margin"),
        adversarial=kept,
        balls=tuple(map(ball_values, _threat_models(parts))),
    )


def _threat_models(parts) -> list:
    """Those of the parts, each once."""
    found: list = []
    for part in parts:
        if part.value.threat_model not in found:
            found.append(part.value.threat_model)
    return found


def _result(
    state, named, parts, seed: int, evidence: Evidence, balls: int
) -> RobustnessResult:
    clean, stages = state.concatenated("clean"), []
    for number, (name, attack) in enumerate(named.items()):
        own = [
            Part(part.name, repr(part.value), *state.part(k))
            for k, part in enumerate(parts)
            if part.attack == number
        ]
        seconds = sum(part.seconds for part in own)
        stages.append(Stage(name, repr(attack), own[-1].correct, seconds, tuple(own)))
    robust = np.logical_and.reduce([clean, *(stage.correct for stage in stages)])
    zero = float(np.mean(state.concatenated("zero gradient")))
    proofs = [state.concatenated(f"certified {number}") for number in range(balls)]
    proven = np.logical_and.reduce(proofs) if proofs else None
    return RobustnessResult(clean, robust, tuple(stages), zero, seed, evidence, proven)


def fingerprint(classifier, named: dict[str, Attack]) -> dict:
    """What must be equal for kept work to be used again."""
    return {
        "layers": _config_digest(classifier),
        "attacks": {name: _config_digest(attack) for name, attack in named.items()},
        "weights": saved_state.digest(classifier.get_weights()),
        "batches": BATCHES,
        "rows": _ROWS,
    }


def _config_digest(value) -> str:
    """sha256 of a Keras config; that of an attack has the weights of its models."""
    config = saved_state.without_names(keras.saving.serialize_keras_object(value))
    return saved_state.digest([np.array(json.dumps(config, default=str))])


def named_attacks(attacks, num_classes: int) -> dict[str, Attack]:
    """The attacks by name, of one attack, a list or a dict."""
    if not isinstance(attacks, (list, tuple, Mapping)):
        attacks = [attacks]
    for attack in attacks.values() if isinstance(attacks, Mapping) else attacks:
        if not isinstance(attack, Attack):
            raise ValueError(
                "`attacks` must be an attack, a list or a dict of attacks. Received: "
                f"attacks with {attack!r}. Pass attacks.PGD(keras_mpat.Linf(0.3))."
            )
    if not isinstance(attacks, Mapping):
        attacks = by_name(attacks, num_classes)
    if not attacks:
        raise ValueError(
            "`attacks` must hold at least one attack. Received: none. Pass "
            "attacks.PGD(keras_mpat.Linf(0.3))."
        )
    return dict(attacks)
