"""Pictures as markup: the door from a page to `plots`, which needs matplotlib."""

from keras_mpat.evaluation.reporting.markup import Markup, element


def vector(draw, *, name: str) -> Markup:
    """An inline SVG; arguments as of `plots.inline.svg`."""
    from keras_mpat.evaluation.plots import inline

    return Markup(inline.svg(draw, name=name))


def photograph(draw, *, alt: str) -> Markup:
    """An inline PNG.

    Args:
        draw: called with a file, see `plots.inline.png`.
        alt: what it shows, for those who cannot see it.
    """
    from keras_mpat.evaluation.plots import inline

    return element("img", src=inline.png(draw), alt=alt)
