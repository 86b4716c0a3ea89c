"""examples/report.py: from run directories to a page."""

import json
import shutil

import numpy as np
import pytest
import report as script
import settings
import train

from keras_mpat import datasets


@pytest.fixture(scope="module")
def run_dir(tiny, tmp_path_factory):
    """A run of seconds, without a head."""
    folder = tmp_path_factory.mktemp("run") / "tiny"
    train.train(settings.resolve(tiny | {"head": "none", "epochs": 1}), folder)
    return folder


@pytest.fixture
def passed(monkeypatch):
    """What the script passes to `evaluation.report`, which is not called."""
    calls = []
    monkeypatch.setattr(script, "report", lambda *a, **k: calls.append((a, k)))
    return calls


def test_the_command_writes_the_page_and_its_tables(run_dir, run_script, tmp_path):
    flags = ["--run_dir", run_dir, "--noanalyze", "--path", tmp_path / "page.html"]
    done = run_script("examples/report.py", *flags)
    assert done.returncode == 0, done.stderr
    assert f"Written: {tmp_path / 'page.html'}" in done.stdout
    assert {path.suffix for path in tmp_path.iterdir()} == {".html", ".md", ".tex"}
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "Not attacked yet" in text and "digits_2" in text


def test_the_images_are_those_of_the_run(run_dir, passed):
    script.make(run_dir, limit=30)
    ((folder, data), options) = passed[0]
    x, y, modes = datasets.arrays("digits_2", "test")
    expected = (x[:30], y[:30], modes[:30])
    for found, wanted in zip(data["test"], expected, strict=True):
        assert np.array_equal(found, wanted)
    assert folder == run_dir and len(data["train"]) == 2
    assert options["threat_model"].epsilon == settings.resolve({}).epsilon
    assert len(options["mode_names"]) == 10 and len(options["class_names"]) == 2


def test_runs_on_other_data_are_refused(run_dir, passed, tmp_path):
    other = shutil.copytree(run_dir, tmp_path / "other")
    record = json.loads((other / "run.json").read_text())
    record["settings"]["dataset"] = "mnist_2"
    (other / "run.json").write_text(json.dumps(record))
    with pytest.raises(ValueError, match="`compare` must be runs on digits_2"):
        script.make(run_dir, compare=[other])
    assert not passed


def test_a_folder_without_a_run_is_an_error_in_one_line(run_script, tmp_path):
    done = run_script("examples/report.py", "--run_dir", tmp_path)
    assert done.returncode == 1
    assert "error: `run_dir` must be the folder of a run" in done.stderr
