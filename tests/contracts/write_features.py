"""Writes the table of Keras features into the README.

python -m tests.contracts.write_features
"""

from pathlib import Path

from tests.contracts.features_table import markdown

BEGIN, END = "<!-- features: generated -->\n", "<!-- features: end -->"


def updated(text: str) -> str:
    """The README with the table as the tests have it."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{markdown()}{END}{after}"


if __name__ == "__main__":
    readme = Path(__file__).resolve().parents[2] / "README.md"
    readme.write_text(updated(readme.read_text(encoding="utf-8")), encoding="utf-8")
