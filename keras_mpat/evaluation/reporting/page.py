"""A report page: sections of figures and tables, in one file without a network.

    page("mnist_2", lead, [Section("Attacks", "attacks", "What was tried.", parts)])

Style and script stand beside this file, in page.css and page.js.
"""

from dataclasses import dataclass, field
from importlib import resources
from typing import Any

from keras_mpat.evaluation.reporting.markup import Markup, element, joined
from keras_mpat.evaluation.reporting.tables import Table, with_data


@dataclass(frozen=True)
class Figure:
    """A picture with the numbers behind it.

    Attributes:
        title: what it shows.
        reading: a sentence that says how to read it.
        graphic: from `plots.inline`, or a table as HTML.
        data: the numbers; `None` only for photographs of inputs.
    """

    title: str
    reading: str
    graphic: Markup
    data: Table | None = None

    def to_html(self) -> Markup:
        """The figure, its sentence and the link to its data."""
        caption = element(
            "figcaption",
            element("strong", self.title, ". "),
            self.reading,
            " ",
            None if self.data is None else self.data.link(),
        )
        return element("figure", element("div", self.graphic, class_="art"), caption)


@dataclass(frozen=True)
class Section:
    """A chapter of the page.

    Attributes:
        title: its heading.
        anchor: its name in the page's address.
        text: what it is about, one or two sentences.
        parts: figures, tables and markup, in order; figures in a list of their own
            stand side by side.
    """

    title: str
    anchor: str
    text: str
    parts: list[Any] = field(default_factory=list)

    def to_html(self) -> Markup:
        """The section."""
        body = [_part(part) for part in self.parts]
        heading = element("h2", self.title, id=self.anchor)
        return element("section", heading, element("p", self.text), *body)

    @property
    def tables(self) -> list[Table]:
        """The tables among the parts."""
        return [part for part in self.parts if isinstance(part, Table)]


def page(title: str, lead: Markup, sections: list[Section], *, foot: str = "") -> str:
    """The whole page as HTML.

    Args:
        title: of the page, text.
        lead: what stands on top.
        sections: the chapters.
        foot: a last line, text.
    """
    links = [element("a", s.title, href=f"#{s.anchor}") for s in sections]
    body = joined(
        element("header", element("h1", title), lead),
        element("nav", *links, aria_label="Sections"),
        element("main", *(section.to_html() for section in sections)),
        element("footer", foot),
        element("script", Markup(_file("page.js"))),
    )
    head = joined(
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title),
        element("style", Markup(_file("page.css"))),
    )
    whole = element("html", element("head", head), element("body", body), lang="en")
    return f"<!doctype html>\n{whole}\n"


def _part(part: Any) -> Markup:
    if isinstance(part, list):
        return element("div", *map(_part, part), class_="row")
    if isinstance(part, Table):
        return with_data(part.to_html(), part)
    if isinstance(part, Figure):
        return part.to_html()
    return part if isinstance(part, Markup) else element("p", part)


def _file(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
