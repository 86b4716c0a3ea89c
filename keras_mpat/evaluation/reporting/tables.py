"""One table in four languages: HTML that sorts, CSV, Markdown and LaTeX.

table = Table("attacks", ["attack", "accuracy (%)"], [["PGD-10", 93.4]])
table.to_html(), table.to_csv(), table.to_markdown(), table.to_latex()
"""

import base64
import csv
import html
import io
import re
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from keras_mpat.evaluation.reporting.markup import Markup, element, joined

_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "–": "--",
    "−": "$-$",
    "×": r"$\times$",
    "ε": r"$\varepsilon$",
    "λ": r"$\lambda$",
    "∞": r"$\infty$",
    "≤": r"$\le$",
    "≥": r"$\ge$",
    "↳": r"$\hookrightarrow$",
    "✗": r"$\times$",
    "…": r"\dots{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    # At the start of a row they would belong to the \\ of the row before.
    "[": "{[}",
    "*": "{*}",
} | {sign: f"\\{sign}" for sign in "&%$#_{}"}
# A spreadsheet takes text that begins like this for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class Shown(NamedTuple):
    """A cell that reads as `text`, and is sorted and kept in the CSV as `value`."""

    value: Any
    text: str


@dataclass(frozen=True)
class Table:
    """Rows under a header. Cells: text, numbers, `Shown`, or `None` for nothing.

    Attributes:
        name: of the CSV file, without suffix.
        header: one text per column; shares are in percent where it says so.
        rows: cells; finite numbers only. Floats show two decimals.
    """

    name: str
    header: list[str]
    rows: list[list[Any]]

    def __post_init__(self):
        for row in self.rows:
            if len(row) != len(self.header):
                raise ValueError(
                    f"`rows` of table {self.name!r} must have {len(self.header)} cells "
                    f"each. Received: {row!r}."
                )

    def to_html(self) -> Markup:
        """A table whose columns sort by a click, in a box that scrolls on a phone."""
        numeric = [self._numeric(n) for n in range(self._width)]
        body = [element("tr", *map(_cell, row, numeric)) for row in self.rows]
        head = map(_heading, self.header, numeric)
        table = element(
            "table",
            element("thead", element("tr", *head)),
            element("tbody", *body),
            class_="sortable",
        )
        return element("div", table, class_="scroll", tabindex=0)

    def to_csv(self) -> str:
        """Values as they are, a header first; nothing where there is none."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(map(_plain, self.header))
        writer.writerows([_plain(_value(cell)) for cell in row] for row in self.rows)
        return text.getvalue()

    def to_markdown(self) -> str:
        """A pipe table."""
        lines = [self.header, ["---"] * len(self.header)]
        lines += [[_text(cell) for cell in row] for row in self.rows]
        return "\n".join(f"| {' | '.join(map(_in_pipes, line))} |" for line in lines)

    def to_latex(self) -> str:
        """A tabular for the package booktabs."""
        columns = "".join("r" if self._numeric(n) else "l" for n in range(self._width))
        lines = [self.header] + [[_text(cell) for cell in row] for row in self.rows]
        rows = [" & ".join(map(_in_latex, line)) + r" \\" for line in lines]
        parts = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", rows[0], r"\midrule"]
        return "\n".join([*parts, *rows[1:], r"\bottomrule", r"\end{tabular}"])

    def link(self) -> Markup:
        """A link that holds the CSV itself."""
        data = base64.b64encode(self.to_csv().encode()).decode()
        return element(
            "a",
            "CSV",
            href=f"data:text/csv;charset=utf-8;base64,{data}",
            download=f"{self.name}.csv",
            class_="csv",
        )

    @property
    def _width(self) -> int:
        return len(self.header)

    def _numeric(self, column: int) -> bool:
        values = [_value(row[column]) for row in self.rows]
        numbers = [value for value in values if value is not None]
        return bool(numbers) and all(_is_number(value) for value in numbers)


def _heading(name: str, numeric: bool) -> Markup:
    button = element("button", name, type="button", title="Sort by this column")
    return element("th", button, scope="col", class_="number" if numeric else None)


def _cell(cell: Any, numeric: bool) -> Markup:
    value = _value(cell)
    return element(
        "td",
        _text(cell),
        data_value=value if _is_number(value) else None,
        class_="number" if numeric else None,
    )


def _value(cell: Any) -> Any:
    value = cell.value if isinstance(cell, Shown) else cell
    return value.item() if isinstance(value, np.generic) else value


def _text(cell: Any) -> str:
    if isinstance(cell, Shown):
        return cell.text
    value = _value(cell)
    if value is None:
        return "–"
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _plain(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value


def in_markdown(text: str) -> str:
    """One line of text without tags of HTML, and without backslashes of its own."""
    text = re.sub(r"\s+", " ", text).replace("\\", "\\\\")
    return html.escape(text, quote=False)


def _in_pipes(text: str) -> str:
    return in_markdown(text).replace("|", "\\|")


def _in_latex(text: str) -> str:
    pattern = "|".join(map(re.escape, _LATEX))
    text = re.sub(r"\s+", " ", text)
    return re.sub(pattern, lambda found: _LATEX[found.group()], text)


def with_data(content: Markup, table: Table | None) -> Markup:
    """Content, and under it the link to the numbers behind it."""
    link = None if table is None else element("p", table.link(), class_="data")
    return joined(content, link)
