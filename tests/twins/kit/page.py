# The look of the twins' pages; cells and bodies are HTML, so whoever makes them escapes what they show.
from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from werkzeug.wrappers import Response

_STYLE = (
    "body{font:15px/1.5 system-ui;margin:2rem;max-width:70rem}"
    "td,th{text-align:left;padding:.2rem .8rem .2rem 0;vertical-align:top}"
    "pre{white-space:pre-wrap}"
)


def html_table(labels: Iterable[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(label)}</th>" for label in labels)
    lines = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{lines}</table>"


def html_page(title: str, body: str) -> Response:
    """A whole page; ``title`` is escaped here, ``body`` is not."""
    head = f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(title)}</title><style>{_STYLE}</style>"
    policy = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
    return Response(
        f"{head}<h1>{escape(title)}</h1>{body}</html>", content_type="text/html; charset=utf-8", headers=policy
    )
