"""The report of a search: its files, and that they say what was found, and no more."""

import base64
import csv
import dataclasses
import io
import json
import math
import os
import re

import numpy as np
import pytest

from keras_mpat.tuning import report as module
from keras_mpat.tuning.published import LAMBDA_1, PROTOTYPES
from keras_mpat.tuning.report import write_report
from tests.tuning.searches import planted, search, trial

pytest.importorskip("matplotlib", reason="needs matplotlib")
pytest.importorskip("sklearn", reason="needs scikit-learn")
EVIL = "<script>alert('tuning')</script>"


def written(result):
    """The four files of a report, the data as values."""
    path = write_report(result)
    assert path == result.folder / "report.html"
    texts = {p.name: p.read_text(encoding="utf-8") for p in result.folder.iterdir()}
    assert set(texts) == {"report.html", "report.md", "trials.csv", "best.json"}
    texts["trials.csv"] = list(csv.DictReader(io.StringIO(texts["trials.csv"])))
    texts["best.json"] = json.loads(texts["best.json"])
    return texts


def inside(page: str) -> dict[str, list[list[str]]]:
    """The CSV files that a page holds, by name."""
    pattern = r'base64,([A-Za-z0-9+/=]+)" download="([^"]+)\.csv"'
    return {
        name: list(csv.reader(io.StringIO(base64.b64decode(data).decode())))
        for data, name in re.findall(pattern, page)
    }


def words(page: str) -> str:
    """The text of a page, without its drawings."""
    page = re.sub("<(svg|style|script).*?</\\1>", " ", page, flags=re.S)
    return re.sub(r"\s+", " ", re.sub("<[^>]*>", " ", page))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A planted search of 16 trials, one of them failed."""
    folder = tmp_path_factory.mktemp("search")
    result = planted(folder, 15, command="train --head_weight 2", seconds=500.0)
    reason = "ValueError: the loss is NaN"
    lost = trial(15, None, values=result.trials[0].values, reason=reason)
    about = {"data set": "digits_2", "attack": "PGD-10"}
    given = {"trials": (*result.trials, lost), "about": about}
    result = dataclasses.replace(result, **given)
    return written(result), result


def test_the_best_trial_is_in_every_file(files):
    texts, result = files
    best = texts["best.json"]["best"]
    assert best["trial"] == result.best.trial_id
    assert best["values"] == result.best.values
    assert best["score"] == result.best.score == max(t.score for t in result.ranking)
    assert best["scores"] == [best["score"]]
    assert best["interval"] == list(result.interval(result.best))
    assert best["objective"] == "val_robust_accuracy"
    assert best["command"] == "train --head_weight 2"
    first = next(row for row in texts["trials.csv"] if row["rank"] == "1")
    assert float(first["value:head_weight"]) == best["values"]["head_weight"]
    assert float(first["low"]) == best["interval"][0]
    shown = f"{100 * best['score']:.2f}"
    for text in (texts["report.html"], texts["report.md"]):
        assert shown in text and "train --head_weight 2" in text


def test_every_trial_is_a_row_ranked_or_not(files):
    texts, result = files
    assert [row["trial"] for row in texts["trials.csv"]] == [
        f"{number:02d}" for number in range(16)
    ]
    assert texts["trials.csv"][-1]["reason"] == "ValueError: the loss is NaN"
    header, *rows = inside(texts["report.html"])["ranking"]
    assert [row[0] for row in rows] == [*(str(n) for n in range(1, 16)), ""]
    scores = [float(row[2]) for row in rows[:-1]]
    assert scores == sorted(scores, reverse=True)
    assert header[2] == "val_robust_accuracy (%)" and rows[-1][-1] == "failed"
    assert "ValueError: the loss is NaN" in words(texts["report.html"])


def test_the_page_says_what_its_figures_are_worth(files):
    text = words(files[0]["report.html"])
    assert "over the 200 validation images (Wilson), of one seed" in text
    assert "what another initialization would give" in text
    assert "The best of 15 is chosen on the images that it is measured on" in text
    assert "naming the largest class would reach 50.0 %" in text
    assert "not shown that anything was learned" not in text
    assert "data set digits_2" in text and "attack PGD-10" in text
    assert "The other hyper-parameters vary, too" in text


def test_of_a_grid_over_one_value_all_else_is_equal(tmp_path):
    trials = tuple(
        trial(n, score, values={"head_weight": weight})
        for n, (weight, score) in enumerate([(0.1, 0.8), (1.0, 0.9)])
    )
    result = planted(tmp_path, 2)
    result = dataclasses.replace(result, trials=trials, tuned=("head_weight",))
    text = words(written(result)["report.html"])
    assert "All else is equal." in text and "hyper-parameters vary" not in text


def test_figures_hold_their_numbers(files):
    texts, result = files
    found = inside(texts["report.html"])
    assert found["importance"][1][0] == "head_weight"
    assert len(found["parallel"]) == 17 and found["parallel"][-1][-1] == ""
    assert len(found["curves"]) == 1 + 15 * 2
    points = [list(map(float, row[1:])) for row in found["against_head_weight"][1:]]
    assert all(low < score < high for _, score, low, high in points)
    assert [row[0] for row in points] == sorted(row[0] for row in points)
    paper = {tuple(row) for row in found["paper_head_weight"][1:]}
    assert ("CIFAR10-2, PGD-10", "0.5", "63.33") in paper and len(paper) == 10
    assert "test accuracies" in words(texts["report.html"]).lower()


def test_nothing_is_fetched_and_another_run_writes_the_same(files):
    texts, result = files
    addresses = re.findall(r'(?:src|href)="([^"]*)"', texts["report.html"])
    assert all(a.startswith(("data:", "#")) for a in addresses)
    assert written(result) == texts


def test_a_write_that_fails_leaves_the_old_file_whole(tmp_path, monkeypatch):
    write_report(search(tmp_path, [trial(0, 0.4)]))
    old = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def broken(source, target):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", broken)
    with pytest.raises(OSError, match="disk full"):
        write_report(search(tmp_path, [trial(0, 0.9)]))
    assert {name: (tmp_path / name).read_bytes() for name in old} == old


def test_text_of_users_stays_text(tmp_path):
    values = {
        "head": EVIL,
        "prototypes_per_class": [3, 4],
        "λ": None,
        "深さ": "глубина",
    }
    trials = [
        trial(0, 0.7, values=values, metrics={EVIL: 1.0}),
        trial(1, None, values=values, reason=EVIL),
        trial(2, 0.6, values=values | {"head": "a|b\n$c$"}),
    ]
    result = search(
        tmp_path,
        trials,
        tuned=tuple(values),
        about={EVIL: EVIL},
        stopped=EVIL,
        command=f"train --head '{EVIL}'",
    )
    texts = written(result)
    page, markdown = texts["report.html"], texts["report.md"]
    assert EVIL not in page and "&lt;script&gt;alert(" in page
    assert len(re.findall("<script", page)) == 1
    outside = [line for line in markdown.splitlines() if not line.startswith("    ")]
    assert not any("<script>" in line for line in outside)
    assert texts["best.json"]["best"]["values"] == values
    assert "<td>3/4</td>" in page and "глубина" in page
    assert texts["trials.csv"][0]["value:prototypes_per_class"] == "[3, 4]"
    rows = [line for line in markdown.splitlines() if "a\\|b $c$" in line]
    assert rows and all(len(re.findall(r"(?<!\\)\|", row)) > 3 for row in rows)


@pytest.mark.parametrize(
    ("trials", "reason"),
    [
        ([], "No trial has begun"),
        ([trial(0, None, reason="out of memory")], "out of memory"),
        ([trial(0, None, status="running")], "None of 1 trials has a score"),
        ([trial(0, math.nan, scores=(math.nan,))], "None of 1 trials has a score"),
    ],
)
def test_without_a_score_there_is_no_best(tmp_path, trials, reason):
    texts = written(search(tmp_path, trials, finished=False, stopped="out of time"))
    found = texts["best.json"]
    assert found["best"] is None and reason in found["reason"]
    for text in (words(texts["report.html"]), texts["report.md"]):
        assert reason in text and "out of time" in text and "not finished" in text
    assert "chosen on the images" not in texts["report.md"]


@pytest.mark.parametrize(("score", "learned"), [(0.52, False), (0.6, True)])
def test_a_best_trial_at_chance_is_called_so(tmp_path, score, learned):
    texts = written(search(tmp_path, [trial(0, score)]))
    said = "not shown that anything was learned" in words(texts["report.html"])
    assert said is not learned
    assert "Importance needs 8 completed trials: 7 more" in texts["report.md"]


def test_seeds_are_named_and_their_interval_ends_at_one(tmp_path):
    texts = written(search(tmp_path, [trial(0, 0.95, scores=(0.9, 1.0))]))
    assert texts["best.json"]["best"]["interval"][1] == 1.0
    assert "95 % interval of its mean over seeds" in texts["report.md"]
    assert "another initialization" not in texts["report.md"]


def test_a_minimized_loss_is_no_percentage(tmp_path):
    trials = [
        trial(n, loss, metrics={"val_accuracy": math.nan, "val_other": math.inf})
        for n, loss in enumerate([1.25, 0.75, 2.0])
    ]
    texts = written(search(tmp_path, trials, objective="val_loss", direction="min"))
    best = texts["best.json"]["best"]
    assert best["trial"] == "01" and best["score"] == 0.75
    assert best["interval"] is None
    assert best["metrics"] == {"val_accuracy": None, "val_other": None}
    text = words(texts["report.html"])
    assert "val_loss (%)" not in text and "75.00" not in text
    assert "largest class would reach" not in text
    assert "without an interval" in text


def test_values_of_numpy_are_plain_in_the_json(tmp_path):
    values = {"head_weight": np.float32(0.5), "K": np.int64(3), "folder": tmp_path}
    texts = written(search(tmp_path, [trial(0, 0.7, values=values)]))
    found = texts["best.json"]["best"]["values"]
    assert found == {"head_weight": 0.5, "K": 3, "folder": str(tmp_path)}


def test_without_pictures_and_forests_the_page_says_so(tmp_path, monkeypatch):
    import sys

    def lacking(result):
        raise ImportError("sklearn")

    monkeypatch.setitem(sys.modules, "keras_mpat.evaluation.plots", None)
    monkeypatch.delattr("keras_mpat.evaluation.plots", raising=False)
    monkeypatch.setattr(module, "importance", lacking)
    texts = written(planted(tmp_path))
    assert "<svg" not in texts["report.html"]
    assert "No picture without matplotlib" in texts["report.html"]
    assert "Importance needs scikit-learn" in texts["report.md"]


def test_the_published_figures_are_those_of_the_paper():
    assert list(LAMBDA_1["CIFAR10"].values()) == [49.54, 50.90, 51.04, 53.23, 52.18]
    assert list(LAMBDA_1["CIFAR10-2"].values()) == [59.22, 59.60, 60.90, 63.33, 60.74]
    assert all(list(v) == [2.0, 1.5, 1.0, 0.5, 0.1] for v in LAMBDA_1.values())
    best = max(PROTOTYPES, key=lambda pair: PROTOTYPES[pair]["PGD-10"])
    assert best == (3, 4) and len(PROTOTYPES) == 6
