"""Tables in four languages, and markup that escapes."""

import base64
import csv
import io

import numpy as np
import pytest

from keras_mpat.evaluation.reporting.markup import Markup, element, joined
from keras_mpat.evaluation.reporting.tables import Shown, Table

HOSTILE = "<script>alert('x')</script> & \"quoted\""


def table(**changes) -> Table:
    given = {
        "name": "attacks",
        "header": ["attack", "accuracy (%)", "images"],
        "rows": [
            ["PGD-10", Shown(93.4321, "93.43 (90.0–95.1)"), 300],
            ["FAB | T_1", None, np.int64(7)],
        ],
    }
    return Table(**given | changes)


def test_elements_escape_text_and_attributes_and_leave_out_what_is_none():
    made = element("a", HOSTILE, href=HOSTILE, class_="x", title=None, hidden=True)
    assert "<script>" not in made and "&lt;script&gt;" in made
    assert made.count('"') == 4 and 'class="x"' in made and "title" not in made
    assert made.startswith("<a ") and " hidden>" in made
    assert element("p", Markup("<b>kept</b>"), None, 3) == "<p><b>kept</b>3</p>"
    assert element("img", src="a") == '<img src="a">'
    assert isinstance(joined("<"), Markup) and joined("<") == "&lt;"


def test_csv_holds_the_values_and_html_sorts_by_them():
    rows = list(csv.reader(io.StringIO(table().to_csv())))
    assert rows[0] == ["attack", "accuracy (%)", "images"]
    assert rows[1] == ["PGD-10", "93.4321", "300"] and rows[2] == ["FAB | T_1", "", "7"]
    html = table().to_html()
    assert 'data-value="93.4321"' in html and "93.43 (90.0–95.1)" in html
    assert html.count("<button") == 3 and html.count("<tr>") == 3
    assert html.count('class="number"') == 6  # heading and two cells of two columns


def test_the_link_is_the_csv_itself():
    link = table().link()
    data = link.split("base64,")[1].split('"')[0]
    assert base64.b64decode(data).decode() == table().to_csv()
    assert 'download="attacks.csv"' in link


def test_text_cannot_break_out_of_any_language():
    hostile = table(rows=[[f"{HOSTILE} 100% a_b #1 \\ | x\ny", 1.0, 2]])
    assert "<script>" not in hostile.to_html()
    line = hostile.to_markdown().splitlines()[2]
    assert len(hostile.to_markdown().splitlines()) == 3
    assert line.replace("\\|", "").count("|") == 4
    latex = hostile.to_latex().splitlines()[4]
    for sign in ("%", "_", "#", "&"):
        assert rf"\{sign}" in latex
    unescaped = latex.replace(r"\&", "").count("&")
    assert unescaped == 2 and r"\textbackslash{}" in latex


def test_a_tag_stays_text_in_markdown_and_a_bracket_in_latex():
    hostile = table(rows=[["[<b>\r# x", 1.0, 2]])
    assert hostile.to_markdown().splitlines()[2].startswith("| [&lt;b&gt; # x |")
    # After the end of a row, a bracket would be an optional argument of it.
    assert hostile.to_latex().splitlines()[4].startswith(r"{[}\textless{}b")


def test_a_spreadsheet_reads_no_formula_from_a_name():
    rows = list(csv.reader(io.StringIO(table(rows=[["=1+1", -1.5, 2]]).to_csv())))
    assert rows[1] == ["'=1+1", "-1.5", "2"]


def test_floats_show_two_decimals_and_nothing_a_dash():
    line = table(rows=[["a", 1.23456, None]]).to_markdown().splitlines()[2]
    assert line == "| a | 1.23 | – |"


def test_latex_aligns_numbers_right():
    assert r"\begin{tabular}{lrr}" in table().to_latex()


def test_rows_that_do_not_fit_the_header_are_refused():
    with pytest.raises(ValueError, match="`rows` of table 'attacks' must have 3"):
        table(rows=[["only one"]])
