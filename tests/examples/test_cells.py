"""examples/cells.py: what a file of a finished cell must have been made with."""

import json

import cells
import pytest


def test_a_cell_from_before_a_setting_existed_is_the_one_without_it(tmp_path):
    old = {"settings": {"head": "none"}, "clean": 0.9}
    (tmp_path / "a.json").write_text(json.dumps(old))
    cell = cells.Cell("a", "", {"settings": {"head": "none", "beta": None}})
    assert cells.finished(tmp_path, [cell]) == {"a": old}
    for other in ({"head": "none", "beta": 6.0}, {"head": "triplet", "beta": None}):
        with pytest.raises(ValueError, match="a.json, whose settings differ"):
            cells.finished(tmp_path, [cells.Cell("a", "", {"settings": other})])


def test_a_file_holds_its_identity_beside_the_figures(tmp_path):
    cell = cells.Cell("a", "", {"settings": {"head": "none"}, "limit": None})
    cells.run([cell], lambda cell: {"clean": 0.5}, tmp_path)
    found = {"settings": {"head": "none"}, "limit": None, "clean": 0.5}
    assert cells.finished(tmp_path, [cell]) == {"a": found}
    cells.run([cell], lambda cell: pytest.fail("measured again"), tmp_path)
    with pytest.raises(ValueError, match="whose limit differ"):
        cells.finished(tmp_path, [cells.Cell("a", "", cell.identity | {"limit": 3})])


def test_a_table_has_its_head_first():
    assert (
        cells.markdown([["a", "b"], ["1", "2"]])
        == "| a | b |\n| --- | --- |\n| 1 | 2 |\n"
    )
