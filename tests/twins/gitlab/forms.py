# Reads parameters as GitLab's API takes them: JSON or forms with `variables[KEY]=v`; and pages of lists. For the GitLab twin's API.
from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from urllib.parse import urlencode

from werkzeug.wrappers import Response

from ansible_collections.netops.changerail.tests.twins.kit.web import Exchange, Refused, answer

DEFAULT_PAGE, LARGEST_PAGE = 20, 100
_NESTED = re.compile(r"(\w+)\[([^\]]*)\]")
T = TypeVar("T")


def parameters(exchange: Exchange) -> dict[str, Any]:
    """Query and body together; ``name[key]`` makes a mapping, ``name[]`` a list."""
    request = exchange.request
    result: dict[str, Any] = {}
    pairs = [*request.args.items(multi=True), *request.form.items(multi=True)]
    for name, value in pairs:
        nested = _NESTED.fullmatch(name)
        if nested and nested[2]:
            result.setdefault(nested[1], {})[nested[2]] = value
        elif nested:
            result.setdefault(nested[1], []).append(value)
        else:
            result[name] = value
    if request.mimetype == "application/json" and request.get_data():
        document = request.get_json(silent=True)
        if not isinstance(document, dict):
            raise refused(400, "The request body is not valid JSON")
        result |= document
    return result


def required(values: dict[str, Any], name: str) -> Any:
    if name not in values or values[name] in ("", None):
        raise Refused(answer({"error": f"{name} is missing"}, 400))
    return values[name]


def refused(status: int, message: Any) -> Refused:
    return Refused(answer({"message": message}, status))


def not_found(what: str) -> Refused:
    return refused(404, f"404 {what} Not Found" if what else "404 Not Found")


def page(exchange: Exchange, items: Sequence[T], shape: Callable[[T], Any]) -> Response:
    """One page of a list, with GitLab's headers."""
    size = min(LARGEST_PAGE, max(1, int(exchange.query.get("per_page", DEFAULT_PAGE))))
    number = max(1, int(exchange.query.get("page", 1)))
    last = max(1, -(-len(items) // size))
    shown = items[(number - 1) * size : number * size]
    places = {
        "prev": number - 1 if number > 1 else None,
        "next": number + 1 if number < last else None,
        "first": 1,
        "last": last,
    }
    headers = {
        "X-Total": str(len(items)),
        "X-Total-Pages": str(last),
        "X-Per-Page": str(size),
        "X-Page": str(number),
        "X-Next-Page": str(places["next"] or ""),
        "X-Prev-Page": str(places["prev"] or ""),
        "Link": ", ".join(
            f'<{_address(exchange, place, size)}>; rel="{name}"' for name, place in places.items() if place
        ),
    }
    return answer([shape(item) for item in shown], headers=headers)


def _address(exchange: Exchange, number: int, size: int) -> str:
    pairs = [(name, value) for name, value in exchange.query.items(multi=True) if name not in ("page", "per_page")]  # type: ignore[call-arg]
    path = exchange.request.environ["REQUEST_URI"].partition("?")[0]
    return f"{exchange.base}{path}?{urlencode([*pairs, ('page', number), ('per_page', size)])}"
