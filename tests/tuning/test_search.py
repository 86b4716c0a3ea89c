"""Searches in processes: the planted point is found, and a kill loses nothing."""

import json
import shutil
import sys
import types

import pytest

from keras_mpat import tuning
from keras_mpat.tuning import process
from keras_mpat.tuning.plan import SearchFile
from tests.tuning import planted
from tests.tuning.scripts import finish, run_script, start, wait_for


def _searched(folder, **options):
    """The result of the planted search in a folder."""
    usual = {"search_dir": folder / "search", "tuner": "grid", "verbose": 0}
    return tuning.search(planted.Planted(folder), **usual | options)


@pytest.fixture(scope="module")
def first_and_whole(tmp_path_factory):
    """Folder, a search with one trial, and the same search with all of them."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, _searched(folder, max_trials=1), _searched(folder)


@pytest.fixture(scope="module")
def whole(first_and_whole):
    """Folder and result of a search that nothing disturbed."""
    folder, _, result = first_and_whole
    return folder, result


def test_the_one_good_point_of_a_space_is_found(whole):
    _, result = whole
    assert [t.values["learning_rate"] for t in result.trials] == planted.RATES
    assert result.best.values["learning_rate"] == planted.GOOD
    assert result.best.score >= result.majority + 0.1
    assert result.finished and not result.stopped and result.tuned == ("learning_rate",)


def test_a_finished_search_leaves_its_files_and_is_read_again_at_once(whole):
    folder, result = whole
    names = {path.name for path in (folder / "search").iterdir()}
    assert {"report.html", "report.md", "best.json", "trials.csv"} <= names
    best = json.loads((folder / "search" / "best.json").read_text())["best"]
    assert best["values"]["learning_rate"] == planted.GOOD
    before = planted.epochs_run(folder)
    again = _searched(folder)
    assert again.best == result.best and planted.epochs_run(folder) == before


def test_a_search_that_is_killed_before_its_report_writes_it_later(
    whole, tmp_path, monkeypatch
):
    folder = tmp_path / "search"
    shutil.copytree(whole[0] / "search", folder)
    file = SearchFile(folder)
    file.update(finished=False)
    (folder / "report.html").unlink()

    def search():
        return tuning.search(
            planted.Planted(tmp_path), search_dir=folder, tuner="grid", verbose=0
        )

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(sys.modules[tuning.search.__module__], "write_report", _killed)
        search()
    assert search().finished and file.read()["finished"]
    assert (folder / "report.html").exists()


def test_a_trial_that_its_chief_gave_up_says_why(whole, tmp_path):
    folder = tmp_path / "search"
    shutil.copytree(whole[0] / "search", folder)
    state = json.loads((folder / "trial_1" / "trial.json").read_text())
    state |= {"status": "FAILED", "message": "worker a was silent for 120 s"}
    (folder / "trial_1" / "trial.json").write_text(json.dumps(state))
    result = tuning.search(
        planted.Planted(tmp_path), search_dir=folder, tuner="grid", verbose=0
    )
    assert [trial.reason for trial in result.failed] == [state["message"]]


def _killed(*_):
    raise KeyboardInterrupt


def test_a_folder_of_a_search_that_was_killed_as_it_began_is_free(tmp_path):
    file = SearchFile(tmp_path / "search")
    for name in ("preflight/log.txt", "search.json.part", ".lock"):
        path = tmp_path / "search" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    file.check({})
    (tmp_path / "search" / "notes.txt").touch()
    with pytest.raises(ValueError, match="which holds notes.txt but no search.json"):
        file.check({})
    with pytest.raises(KeyboardInterrupt), file.unless_refused():
        raise KeyboardInterrupt
    left = {path.name for path in (tmp_path / "search").iterdir()}
    assert left == {"notes.txt", "search.json.part"}


def test_what_stands_in_no_file_is_refused(tmp_path, monkeypatch):
    notebook = types.ModuleType("__main__")  # it has no __file__
    monkeypatch.setitem(sys.modules, "__main__", notebook)
    assert process.pickled(planted.Planted(tmp_path))
    monkeypatch.setattr(planted.build, "__module__", "__main__")
    notebook.build = planted.build
    with pytest.raises(ValueError, match="what a file holds.*to a module"):
        process.pickled(planted.Planted(tmp_path))
    monkeypatch.undo()
    main = sys.modules["__main__"]
    monkeypatch.setattr(main, "__file__", "/tmp/<stdin>", raising=False)
    with pytest.raises(ValueError, match="standard input"):
        process.pickled(planted.Planted(tmp_path))


def test_more_trials_may_be_asked_for_later(first_and_whole):
    _, first, result = first_and_whole
    assert [len(first.trials), len(result.trials)] == [1, len(planted.RATES)]
    assert result.trials[0] == first.trials[0]


@pytest.mark.slow
def test_a_search_that_is_killed_twice_goes_on_and_ends_the_same(whole, tmp_path):
    listing = tmp_path / "ran.txt"
    for lines in (2, 5):  # in the first and in the second trial
        process = start(tmp_path, 0.3)
        wait_for(
            lambda lines=lines: (
                listing.exists() and len(listing.read_text().splitlines()) >= lines
            )
        )
        process.kill()
        process.communicate()
    finish(start(tmp_path, 0))
    result = _searched(tmp_path)
    _, wanted = whole
    assert [t.history for t in result.trials] == [t.history for t in wanted.trials]
    assert [t.score for t in result.trials] == [t.score for t in wanted.trials]
    ran = planted.epochs_run(tmp_path)
    # A kill loses the epoch that was running, no other.
    assert set(ran) == set(planted.epochs_run(whole[0]))
    assert len(ran) <= len(set(ran)) + 2


def _refused(tmp_path, error, words, hyper_model=None, **options):
    given = hyper_model or planted.Planted(tmp_path)
    usual = {"search_dir": tmp_path / "search", "tuner": "grid", "verbose": 0}
    with pytest.raises(error, match=words):
        tuning.search(given, **usual | options)


def test_what_cannot_work_is_refused_before_the_first_trial(tmp_path):
    _refused(tmp_path, ValueError, "Did you mean 'bayesian'", tuner="bayes")
    _refused(tmp_path, ValueError, "`role` must be one of", role="boss")
    _refused(tmp_path, ValueError, "`max_trials` must be", max_trials=0)
    _refused(tmp_path, ValueError, "`seeds_per_trial` must be", seeds_per_trial=0)
    _refused(tmp_path, ValueError, "`score_epochs` must be at most", score_epochs=4)
    _refused(tmp_path, ValueError, "`max_hours` must be positive", max_hours=-1)
    _refused(tmp_path, ValueError, "`oracle_address` must be", oracle_address="here")
    _refused(tmp_path, ValueError, "`worker_id` must be", worker_id="a/b")
    space = tuning.SearchSpace(learning_rate=None, head="none", strategy="fast")
    _refused(
        tmp_path,
        ValueError,
        "`learning_rate` must be a list for a grid",
        planted.Planted(tmp_path, space=space),
    )
    assert not (tmp_path / "search").exists()
    assert not (tmp_path / "ran.txt").exists()


def test_an_unknown_objective_and_a_broken_builder_leave_the_folder_free(tmp_path):
    _refused(
        tmp_path,
        ValueError,
        "`objective` must be one of .*Did you mean 'val_robust_accuracy'",
        objective="robust_accuracy",
    )
    broken = planted.Planted(tmp_path, builder=planted.broken)
    _refused(tmp_path, RuntimeError, "no such layer", broken)
    assert not (tmp_path / "search").exists()


def test_the_folder_of_another_search_is_refused(whole, tmp_path):
    folder = tmp_path / "search"
    shutil.copytree(whole[0] / "search", folder)
    _refused(
        tmp_path,
        ValueError,
        r"`search_dir` must be that of this search(.|\n)*epochs: 3 there, 4 now",
        planted.Planted(tmp_path, epochs=4),
    )
    _refused(tmp_path, ValueError, "seed: 0 there, 1 now", seed=1)
    (folder / "search.json").unlink()
    _refused(tmp_path, ValueError, "must be a new folder or that of an earlier")


def test_what_another_process_cannot_be_given_is_refused(tmp_path):
    with pytest.raises(ValueError, match="a lambda becomes a def"):
        planted.Planted(tmp_path, builder=lambda: None)
    with pytest.raises(ValueError, match="must be a function"):
        planted.Planted(tmp_path, builder="resnet18")


def test_a_script_that_searches_while_it_is_imported_is_told_the_guard(tmp_path):
    script = tmp_path / "unguarded.py"
    script.write_text(
        "from keras_mpat import tuning\nfrom tests.tuning.planted import Planted\n"
        f"tuning.search(Planted({str(tmp_path)!r}), tuner='grid', "
        f"search_dir={str(tmp_path / 'search')!r})\n"
    )
    ended = run_script(script)
    assert ended.returncode == 1
    assert "could not be trained: a script must search under `if" in ended.stdout


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_trials(tmp_path):
    space = tuning.SearchSpace(
        learning_rate=[0.1 + n / 100 for n in range(20)], strategy="fast", head="none"
    )
    sizes = []

    from keras_mpat.tuning import tuner

    run = tuner.run_apart

    def measured(*arguments, **options):
        outcome = run(*arguments, **options)
        with open("/proc/self/statm", encoding="ascii") as file:
            sizes.append(int(file.read().split()[1]))
        return outcome

    tuner.run_apart = measured
    try:
        tuning.search(
            planted.Planted(tmp_path, space=space, epochs=1),
            search_dir=tmp_path / "search",
            tuner="grid",
            verbose=0,
        )
    finally:
        tuner.run_apart = run
    assert len(sizes) == 20
    assert sizes[-1] <= 1.1 * sizes[4]
