"""Attacks the classifier of a finished run, and writes a table and pictures.

    python examples/evaluate.py --run_dir runs/digits_2
    python examples/evaluate.py --run_dir runs/digits_2 --attacks fgsm,pgd10 --limit 200
    python examples/evaluate.py --run_dir runs/digits_2 --attacks autoattack,adaptive
    python examples/evaluate.py --run_dir runs/digits_2 --attacks autoattack --card
    python examples/evaluate.py --run_dir runs/atld --inference imt

Works on classifier.keras, in a process that has not trained it; `adaptive` also reads
the head in model.keras, `behind` its saturation. Interrupted, the same command
continues. By default the attacks are PGD and its relatives: a first look. Writes
evaluation-<time>.json (verdicts) and .npz (adversarial examples); --card writes
card.json and card.md, as well. What chooses between runs must not be the test images:
--split validation attacks the held-out training images, in validation-<time>.json.
"""

import hashlib
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from absl import app, flags, logging
from adaptive import adaptive, behind
from auditing import write_audit
from cards import write_card
from inference import KINDS, adapted, predictor
from pictures import attacked, draw, examples
from run_directory import finished, source
from train import length

import keras_mpat as mpat
from keras_mpat import attacks, datasets
from keras_mpat.choices import check_choice
from keras_mpat.evaluation import evaluate_robustness, robustness_table
from keras_mpat.files import write_json

__all__ = ["attacked", "draw", "evaluate", "examples", "finished", "suite"]

# Steps are 2.5 epsilon / steps; MIM's are epsilon / steps.
_SUITE = {
    "fgsm": ("FGSM", attacks.FGSM, {}),
    "bim": ("BIM-{}", attacks.BIM, {"steps": 7}),
    "pgd10": ("PGD-{}", attacks.PGD, {"steps": 10}),
    "pgd50": ("PGD-{}×{}", attacks.PGD, {"steps": 50, "restarts": 10}),
    "cw": ("CW-{}", attacks.CW, {"steps": 30}),
    "mim": ("MIM-{}", attacks.MIM, {"steps": 10}),
    "targeted": (
        "PGD-{} to the least likely class",
        attacks.PGD,
        {"steps": 10, "target": attacks.LeastLikely()},
    ),
    "noise": ("random noise ×{}", attacks.RandomNoise, {"restarts": 10}),
}
# Longer and with restarts: what a robustness claim needs at least. Not in the default.
_STRONG = {
    "pgd100": ("PGD-{}×{}", attacks.PGD, {"steps": 100, "restarts": 5}),
    "cw100": ("CW-{}×{}", attacks.CW, {"steps": 100, "restarts": 5}),
}
_ALL = _SUITE | _STRONG
# No gradient, and where a short one breaks more than the gradients do, a long one.
_ALL |= {"square": ("Square-{}×{}", attacks.Square, {"queries": 20000, "restarts": 10})}
_ALL |= {
    "autoattack": ("", attacks.AutoAttack, {}),
    "strict": ("", attacks.AutoAttack, {"version": "strict"}),
    "adaptive": ("", adaptive, {}),
    "behind": ("", behind, {}),
}


def suite(
    epsilon: float | str,
    *,
    names: Sequence[str] = tuple(_SUITE),
    steps_factor: int = 1,
    restarts: int | None = None,
    num_classes: int = 10,
    run_dir=None,
) -> dict[str, attacks.Attack]:
    """The attacks of the table by title.

    Args:
        epsilon: radius of the Linf ball.
        names: which of them: fgsm, bim, pgd10, pgd50, cw, mim, targeted, noise;
            pgd100, cw100, whose steps are epsilon / 10; square, of 20 000 queries and
            10 restarts; autoattack, strict; adaptive; behind.
        steps_factor: multiplies the steps of all that iterate.
        restarts: replaces the restarts of those that restart.
        num_classes: of the data; AutoAttack has another protocol for two and three.
        run_dir: the folder of the run, for adaptive and behind.

    Raises:
        ValueError: an unknown name, adaptive for a run without a head, or behind for
            one without a saturation.
    """
    chosen = {}
    for name in names:
        check_choice("attacks", name, _ALL, "Separate several by commas.")
        title, kind, options = _ALL[name]
        if kind is adaptive:
            chosen |= adaptive(run_dir, epsilon, steps_factor=steps_factor)
            continue
        if kind is behind:
            chosen |= behind(run_dir, epsilon)
            continue
        options = dict(options)
        if name in _STRONG:
            options["step_size"] = mpat.Linf(epsilon).radius / 10
        if "steps" in options:
            options["steps"] *= steps_factor
        if "restarts" in options and kind is not attacks.RandomNoise and restarts:
            options["restarts"] = restarts
        keys = ("steps", "queries", "restarts")
        counts = [options[key] for key in keys if key in options]
        attack = kind(mpat.Linf(epsilon), **options)
        chosen[title.format(*counts) or attack.title(num_classes)] = attack
    return chosen


def evaluate(
    run_dir,
    *,
    chosen: Mapping[str, attacks.Attack],
    model=None,
    state_dir=None,
    split: str = "test",
    **options,
) -> mpat.evaluation.RobustnessResult:
    """Attacks the images of a run's data set; continues after an interruption.

    Args:
        run_dir: the folder of a finished run.
        chosen: attacks by title.
        model: what predicts, see inference.py; `None`: classifier.keras.
        state_dir: where finished batches are kept; by default in `run_dir`, in a
            folder of its own for each classifier and choice of arguments.
        split: which images: "test" or "validation".
        options: `limit`, `batch_size`, `seed`, `certify` of `evaluate_robustness`.

    Raises:
        ValueError: `run_dir` holds no finished run.
    """
    record, classifier = finished(run_dir)
    images = {} if split == "test" else {"split": split}
    state_dir = state_dir or state_folder(run_dir, chosen, options | images)
    limit = options.pop("limit", None)
    x, y, _ = datasets.arrays(split=split, **source(record))
    options |= {"state_dir": state_dir, "verbose": sys.stdout.isatty()}
    data = x[:limit], y[:limit]
    return evaluate_robustness(model or classifier, data, chosen, **options)


def state_folder(run_dir, chosen, options) -> Path:
    """Where the work of one evaluation of a run is kept: arguments as of `evaluate`."""
    _, classifier = finished(run_dir)
    key = repr(([*chosen.items()], sorted(options.items()))).encode()  # order counts
    key = hashlib.sha256(key + classifier.read_bytes()).hexdigest()[:16]
    return Path(run_dir) / "evaluation_state" / key


def define_flags() -> None:
    """The command line."""
    flags.DEFINE_string("run_dir", None, "Folder of a finished run.", required=True)
    flags.DEFINE_string("epsilon", None, "Radius; default: that of the training.")
    flags.DEFINE_enum("split", "test", ["test", "validation"], "Which images.")
    flags.DEFINE_integer("limit", None, "First images of a split only.", lower_bound=1)
    flags.DEFINE_integer("batch_size", 128, "Images per batch.", lower_bound=1)
    flags.DEFINE_integer("steps_factor", 1, "Multiplies all steps.", lower_bound=1)
    flags.DEFINE_integer("restarts", None, "Replaces theirs.", lower_bound=1)
    flags.DEFINE_list("attacks", list(_SUITE), "Which attacks.")
    flags.DEFINE_string(
        "inference", "plain", f"How it predicts (runs of atld): {', '.join(KINDS)}."
    )
    flags.DEFINE_integer("seed", 0, "Seed of the attacks' noise.", lower_bound=0)
    flags.DEFINE_bool("certify", False, "Prove first; attack only the rest.")
    flags.DEFINE_string("state_dir", None, "Folder of finished batches.")
    flags.DEFINE_bool("card", False, "Write a model card into the run directory.")
    flags.DEFINE_bool("audit", False, "Check how far the figures can be trusted.")
    flags.DEFINE_integer("audit_examples", 500, "Images of dear checks.", lower_bound=1)
    flags.DEFINE_list("twins", [], "name=path.keras: standard, no head, others.")
    flags.DEFINE_list("runs", [], "evaluation-*.json of other seeds, for the audit.")
    flags.DEFINE_string("collapse_model", None, "Classifier of the fine labels.")


def main(arguments: list[str]) -> None:
    """Evaluates as the flags say; prints the table, writes JSON and pictures."""
    if len(arguments) > 1:
        raise app.UsageError(f"Unexpected argument {arguments[1]!r}; flags begin --.")
    mpat.keep_memory()
    given = flags.FLAGS
    try:
        _check_split(given)
        record, _ = finished(given.run_dir)
        epsilon = length(given.epsilon) or record["settings"]["epsilon"]
        counts = {"steps_factor": given.steps_factor, "restarts": given.restarts}
        classes = datasets.info(**source(record)).num_classes
        run = {"num_classes": classes, "run_dir": given.run_dir}
        chosen = suite(epsilon, names=given.attacks, **run, **counts)
        names = "limit", "batch_size", "seed", "certify"
        options = {name: given[name].value for name in names}
        model = predictor(given.run_dir, given.inference)
        chosen = adapted(chosen, model)
        folder = given.state_dir or state_folder(
            given.run_dir, chosen, options | _unusual(given)
        )
        where = {"model": model, "state_dir": folder}
        images = {"split": given.split}
        result = evaluate(given.run_dir, chosen=chosen, **where, **images, **options)
    except (ValueError, FileNotFoundError, ImportError) as error:
        logging.debug("Where the error arose (shown by -v=1)", exc_info=True)
        sys.exit(f"error: {error}")
    radius = mpat.Linf(epsilon).radius
    given_flags = {**options, **counts, "attacks": given.attacks}
    given_flags |= _unusual(given)
    values = {"epsilon": radius, "flags": given_flags}
    stamp = time.strftime("%Y%m%d-%H%M%S")
    kind = "evaluation" if given.split == "test" else given.split
    path = Path(given.run_dir) / f"{kind}-{stamp}.json"
    write_json(path, values | result.to_dict())
    result.evidence.save_examples(path.with_suffix(".npz"))
    print(f"Written: {path}")
    report = _audited(given, chosen, mpat.Linf(epsilon), where | options)
    title = f"Linf {radius:.4g} ({255 * radius:.4g}/255)"
    name = record["settings"]["dataset"]
    audits = {name: report} if report else None
    table = robustness_table({name: result}, chosen, audits=audits)
    print(f"{title}, each row says its step\n\n{table}\n")
    if given.split == "test":
        print(f"Pictures: {draw(given.run_dir, epsilon)}")
    if given.card:
        ball = mpat.Linf(epsilon)
        card = write_card(given.run_dir, result, ball, model=model, audit=report)
        print(f"Card: {card}")
    sys.exit(report.exit_code if report else 0)


def _unusual(given) -> dict[str, str]:
    """What tells an evaluation of another inference, or split, from the usual one."""
    usual = {"inference": "plain", "split": "test"}
    return {k: given[k].value for k, v in usual.items() if given[k].value != v}


def _check_split(given) -> None:
    for name in "card", "audit":
        if given.split != "test" and given[name].value:
            raise ValueError(
                f"`{name}` must be left out for images that a run was chosen on. "
                f"Received: --{name} with split={given.split}. Pass --split=test."
            )


def _audited(given, chosen, ball, options):
    """The audit, if it was asked for; prints its table."""
    if not given.audit:
        return None
    try:
        report = write_audit(
            given.run_dir,
            chosen=chosen,
            ball=ball,
            twins=given.twins,
            runs=given.runs,
            collapse_model=given.collapse_model,
            examples=given.audit_examples,
            **options,
        )
    except (ValueError, FileNotFoundError) as error:
        sys.exit(f"error: {error}")
    print(f"\n{report.to_markdown()}\nWritten: {Path(given.run_dir) / 'audit.md'}")
    return report


if __name__ == "__main__":
    define_flags()
    app.run(main)
