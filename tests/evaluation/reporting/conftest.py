"""Runs, images and a page, made once."""

import json
from pathlib import Path

import numpy as np
import pytest

import keras_mpat as mpat
from tests.evaluation.reporting.run_folders import MODES, NAME, make_run


@pytest.fixture(scope="session")
def runs(tmp_path_factory) -> list[Path]:
    """A run with prototypes, one without a head."""
    root = tmp_path_factory.mktemp("runs")
    merging = {
        "threshold": 0.2,
        "history": [[3, 3], [3, 2]],
        "merges": [],
        "before": np.eye(3)[None].repeat(2, axis=0).tolist(),
        "after": np.eye(3)[None].repeat(2, axis=0).tolist(),
    }
    head = mpat.SoftTripleHead(2, prototypes_per_class=3)
    first = make_run(root / NAME.replace("/", "\N{DIVISION SLASH}"), seed=0, head=head)
    (first / "merging.json").write_text(json.dumps(merging))
    return [first, make_run(root / "plain", seed=1, head=None)]


@pytest.fixture(scope="session")
def images() -> dict:
    """The data of a report: 60 test images, 320 for training."""
    test = [part[:60] for part in mpat.datasets.arrays("digits_2", "test")]
    train = [part[:320] for part in mpat.datasets.arrays("digits_2", "train")[:2]]
    return {"test": test, "train": train}


@pytest.fixture(scope="session")
def page(runs, images, tmp_path_factory) -> Path:
    """A whole report of both, with data."""
    return mpat.evaluation.report(
        runs[0],
        images,
        compare=runs[1:],
        path=tmp_path_factory.mktemp("page") / "report.html",
        class_names=["0-4", "5-9"],
        mode_names=MODES,
        verbose=False,
    )
