"""The command line: what it searches, and that its last line trains the same again."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import recipe
import search as search_script
import settings as run_settings
import train as training_script
from absl import flags

from keras_mpat.tuning import Range, SearchSpace, trial
from keras_mpat.tuning.job import Job

_ROOT = Path(__file__).resolve().parents[2]
_TINY = {
    "dataset": "digits_2",
    "filters": [4, 8],
    "epochs": 2,
    "train_examples": 200,
    "validation_examples": 50,
    "validation_steps": 2,
}
_SPACE = SearchSpace(
    head_weight=[0.1, 1.0],
    prototypes_per_class=["2/3", "3/3"],
    tau=[0.1, 0.3],
    strategy="pgd",
    steps=2,
)


@pytest.fixture
def parse(monkeypatch):
    """Reads a command line with the flags of a script."""

    def read(script, *arguments):
        values = flags.FlagValues()
        for module in (script, training_script):
            monkeypatch.setattr(module.flags, "FLAGS", values)
        for kind in ("string", "integer", "float", "bool", "list", "enum"):
            original = getattr(flags, f"DEFINE_{kind}")
            monkeypatch.setattr(
                flags,
                f"DEFINE_{kind}",
                lambda *a, original=original, **k: original(
                    *a, **{"flag_values": values} | k
                ),
            )
        script.define_flags()
        values(["script", *arguments])
        return values

    return read


@pytest.mark.parametrize(
    "more", [{}, {"ema": 0.5, "label_smoothing": 0.1, "shift": 1}], ids=["plain", "ema"]
)
def test_the_command_of_a_point_trains_exactly_what_its_trial_did(
    more, tmp_path, parse
):
    hyper_model = recipe.RecipeHyperModel(_TINY | more, _SPACE)
    values = _SPACE.values({"head_weight": 1.0, "prototypes_per_class": "2/3"})
    values |= {"tau": 0.3}
    job = Job(str(tmp_path / "t"), "0", values, "val_robust_accuracy", epochs=2)
    outcome = trial.run(hyper_model, job, lambda _: None)
    words = shlex.split(hyper_model.command(values))
    assert words[:2] == ["python", "examples/train.py"]
    parse(training_script, *words[2:])
    settings = run_settings.resolve(training_script.given_flags())
    record = training_script.train(settings, tmp_path / "again")
    last = {name: series[-1] for name, series in outcome.history[0].items()}
    assert last == {name: record["last_epoch"][name] for name in last}
    assert settings.prototypes_per_class == [2, 3] and settings.tau == 0.3


def _space(parse, monkeypatch, *arguments):
    parse(search_script, *arguments)
    without = (*search_script.DIMENSIONS, "seed", "select")
    return search_script.space_of(training_script.given_flags(without=without))


def test_without_more_the_two_knobs_of_the_paper_are_searched(parse, monkeypatch):
    space = _space(parse, monkeypatch, "--dataset=cifar10_2")
    assert space.tuned == ("head_weight", "prototypes_per_class")
    assert space.entries["head_weight"] == Range(0.1, 2.0, "log")
    assert space.fixed["strategy"] == "pgd" and space.fixed["head"] == "soft_triple"


def test_lists_take_the_place_of_ranges_and_values_fix(parse, monkeypatch):
    space = _space(
        parse,
        monkeypatch,
        "--head_weight=0.1,0.5,1,1.5,2",
        "--prototypes_per_class=3",
        "--learning_rate=0.01:0.2:log",
        "--strategy=pgd,fast",
        "--tune=tau",
    )
    assert space.tuned == ("strategy", "head_weight", "tau", "learning_rate")
    assert space.entries["head_weight"] == [0.1, 0.5, 1.0, 1.5, 2.0]
    assert space.fixed["prototypes_per_class"] == 3


def test_a_head_without_prototypes_has_none_to_search(parse, monkeypatch):
    assert _space(parse, monkeypatch, "--head=triplet").tuned == ("head_weight",)
    space = _space(parse, monkeypatch, "--head=none", "--learning_rate=0.1,0.2")
    assert space.tuned == ("learning_rate",)
    space = _space(parse, monkeypatch, "--preset=mpat-fast")
    assert space.fixed["strategy"] == "fast"


def test_a_file_takes_the_place_of_the_default_space(parse, monkeypatch, tmp_path):
    path = tmp_path / "space.json"
    path.write_text('{"learning_rate": [0.1, 0.2], "head": "none"}')
    space = _space(parse, monkeypatch, f"--space={path}")
    assert space.tuned == ("learning_rate",) and "head_weight" not in space.entries


def _run(*arguments):
    return subprocess.run(
        [sys.executable, "tuning/search.py", *map(str, arguments)],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--dataset=digit_2"], "Did you mean 'digits_2'"),
        (["--head_weight=0.1;2"], "`head_weight` must be a number"),
        (["--tuner=grid"], "`head_weight` must be a list for a grid"),
        (["--steps=3,7", "--strategy=fast"], "`steps` has no effect with strategy"),
        (["--epochs=2", "--score_epochs=3"], "`score_epochs` must be at most"),
        (["--tune=tau", "--tau=0.1"], "`tune` must name what has no fixed value"),
        (
            ["--strategy=pgd,free", "--norm_mode=train"],
            "`norm_mode` has no effect with strategy=free",
        ),
        (["--preset=acl-mpat"], "`pretrain` is a stage of one run"),
        (["--pretrained=nowhere"], "`from_run` must be a model, a .keras file"),
        (["--space=."], "Is a directory"),
    ],
)
def test_a_bad_command_line_is_refused_and_leaves_nothing(
    parse, monkeypatch, tmp_path, arguments, words
):
    parse(search_script, *arguments, f"--search_dir={tmp_path / 's'}")
    with pytest.raises(SystemExit, match=words):
        search_script.main(["search.py"])
    assert not list((tmp_path / "s").glob("*.json"))


def test_a_data_set_that_is_not_there_says_how_to_get_it(tmp_path):
    ended = _run("--dataset=cifar10_2", f"--data_dir={tmp_path}")
    assert ended.returncode == 1
    assert "error: " in ended.stderr and "Traceback" not in ended.stderr
    assert "data_dir" in ended.stderr and "cifar10" in ended.stderr


@pytest.mark.slow
def test_the_plain_command_finds_something_on_digits(tmp_path):
    ended = _run("--dataset=digits_2", f"--search_dir={tmp_path / 's'}")
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert "8 trials, 0 failed" in ended.stdout
    assert (tmp_path / "s" / "report.html").exists()
