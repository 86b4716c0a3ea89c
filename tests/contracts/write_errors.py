"""Writes ERRORS.md: every wrong input, the code that makes it, and what it says.

python -m tests.contracts.write_errors
"""

from pathlib import Path

from tests.contracts.wrong_inputs_table import NAMES, TABLES, message

PATH = Path(__file__).resolve().parents[2] / "ERRORS.md"

_HEAD = f"""# Error messages

Written by `make docs`, which makes each mistake and writes down what it is told; the
tests make them, too. Each is a `ValueError`, raised before a weight has moved. Of a
stream the first batch is looked at; what is wrong in later ones is counted in the graph
and named when the epoch ends.

The code in the tables uses these names:

```python
{NAMES}```
"""


def document() -> str:
    """The text of ERRORS.md."""
    parts = [_HEAD]
    for title, rows in TABLES.items():
        lines = [_line("mistake", "code", "message"), _line("---", "---", "---")]
        for row in rows:
            lines.append(_line(row.mistake, f"`{row.code}`", _plain(message(row))))
        parts.append("\n".join([f"## {title}", "", *lines, ""]))
    return "\n".join(parts)


def _line(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _plain(text: str) -> str:
    """A message as Markdown: what Markdown would take for markup stays text."""
    return text.replace("<", "&lt;").replace("*", "\\*")


if __name__ == "__main__":
    PATH.write_text(document(), encoding="utf-8")
    print(f"Written: {PATH}")
