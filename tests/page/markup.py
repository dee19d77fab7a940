"""A page of HTML as a tree, with what its reader sees of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html.parser import HTMLParser

_VOID = frozenset({"br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"})
# fmt: off
_BLOCKS = frozenset(
    {
        "article", "aside", "br", "caption", "dd", "details", "div", "dl", "dt", "fieldset",
        "figcaption", "footer", "form", "h1", "h2", "h3", "h4", "h5", "header", "label", "legend", "li",
        "main", "nav", "ol", "option", "p", "pre", "section", "select", "summary", "table", "tbody",
        "td", "textarea", "th", "thead", "tr", "ul",
    }
)
# fmt: on
_UNSEEN = frozenset({"head", "script", "style", "template"})


class Element:
    """An element, its attributes, and what is in it. An attribute without a value has an empty one."""

    def __init__(self, tag: str, attributes: Mapping[str, str]) -> None:
        self.tag = tag
        self.attributes = attributes
        self.children: list[Element | str] = []

    def get(self, name: str, default: str = "") -> str:
        """An attribute."""
        return self.attributes.get(name, default)

    def every(self, *tags: str) -> Iterator[Element]:
        """All elements in it with one of these names, in order; without names all of them."""
        for child in self.children:
            if isinstance(child, Element):
                if not tags or child.tag in tags:
                    yield child
                yield from child.every(*tags)

    def first(self, *tags: str) -> Element | None:
        """The first of these."""
        return next(self.every(*tags), None)

    def classes(self) -> list[str]:
        """Its classes."""
        return self.get("class").split()

    @property
    def raw(self) -> str:
        """Its characters as they are."""
        return "".join(each if isinstance(each, str) else each.raw for each in self.children)

    @property
    def text(self) -> str:
        """What can be read of it, each blank once."""
        return " ".join("".join(_shown(self)).split())


def parsed(html: str) -> Element:
    """A document. What is not closed, or closed and was not open, is an `AssertionError`."""
    parser = _Parser()
    parser.feed(html)
    parser.close()
    assert len(parser.open) == 1, f"not closed: {[each.tag for each in parser.open[1:]]}"
    return parser.open[0]


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open = [Element("", {})]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.open[-1].children.append(element)
        if tag not in _VOID:
            self.open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1].tag == tag, f"</{tag}> ends <{self.open[-1].tag}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


def _shown(element: Element) -> Iterator[str]:
    for child in element.children:
        if isinstance(child, str):
            yield child
        elif child.tag not in _UNSEEN and "hidden" not in child.attributes:
            between = " " if child.tag in _BLOCKS else ""
            yield between
            yield from _shown(child)
            yield between
