# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the API takes and gives, as values: fields of queries and bodies, and endpoints. Pure; ``web.api`` is made of it, ``web.openapi`` describes it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils.errors import AuthorError
from ansible_collections.netops.changerail.plugins.plugin_utils.web.answers import CODES

JSON_TYPE = "application/json"
_KINDS: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "boolean": (bool,),
    "object": (dict,),
}
_WORDS = {"true": True, "false": False}


@dataclass(frozen=True)
class Field:
    """A field of a query or a body. ``schema`` is a JSON Schema with a ``type`` and, as far as it applies, ``enum``, ``minimum``, ``maximum``,
    ``minLength``, ``maxLength`` and ``pattern``; ``default`` holds when it is left out."""

    name: str
    schema: Mapping[str, Any]
    description: str
    required: bool = False
    default: Any = None

    def of_text(self, text: str) -> Any:
        """The value written in a query. Raises AuthorError."""
        kind = self.schema["type"]
        if kind == "integer" and re.fullmatch(r"-?\d{1,18}", text, re.ASCII):
            return self.checked(int(text))
        if kind == "boolean" and text in _WORDS:
            return _WORDS[text]
        if kind == "string":
            return self.checked(text)
        raise self._wrong(f"came {text[:50]!r}")

    def checked(self, value: Any) -> Any:
        """The value when it fits the schema. Raises AuthorError."""
        schema = self.schema
        kinds = _KINDS[schema["type"]]
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise self._wrong(f"came {type(value).__name__}")
        if "enum" in schema and value not in schema["enum"]:
            raise self._wrong(f"came {str(value)[:50]!r}")
        if isinstance(value, int) and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
            raise self._wrong(f"came {value}")
        if isinstance(value, str):
            if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
                raise self._wrong(f"came {len(value)} characters")
            if "pattern" in schema and not re.search(schema["pattern"], value):
                raise self._wrong(f"came {value[:50]!r}")
        return value

    def _wrong(self, came: str) -> AuthorError:
        wanted = ", ".join(f"{word} {value}" for word, value in self.schema.items())
        return AuthorError(f"{self.name}: expected {wanted}; {came}")


@dataclass(frozen=True)
class Endpoint:
    """One thing the API does. ``handler`` gets the call and gives plain JSON, or a response of its own for another ``media`` type.

    ``answer`` is the JSON Schema of what it gives; ``fails`` are the statuses beside those every endpoint may have.
    """

    method: str
    path: str
    name: str
    summary: str
    handler: Callable[[Any], Any]
    query: Sequence[Field] = ()
    body: Sequence[Field] | None = None
    answer: Mapping[str, Any] = field(default_factory=lambda: {"type": "object"})
    media: str = JSON_TYPE
    status: int = 200
    fails: Sequence[int] = ()
    public: bool = False


def query_of(given: Sequence[tuple[str, str]], fields: Sequence[Field]) -> dict[str, Any]:
    """The values of a query. Raises AuthorError."""
    known = {wanted.name: wanted for wanted in fields}
    values = {wanted.name: wanted.default for wanted in fields}
    seen: set[str] = set()
    for name, text in given:
        if name not in known:
            raise AuthorError(f"query: {name[:50]!r} is unknown; expected {', '.join(known) or 'none'}")
        if name in seen:
            raise AuthorError(f"query: {name} stands there twice")
        seen.add(name)
        values[name] = known[name].of_text(text)
    _complete(seen, fields, "query")
    return values


def body_of(content: bytes, fields: Sequence[Field]) -> dict[str, Any]:
    """The values of a body in JSON. Raises AuthorError."""
    try:
        document = json.loads(content.decode()) if content.strip() else {}
        # Neither half of a character nor a number that is none goes on from here.
        json.dumps(document, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError) as error:
        raise AuthorError(f"body: expected JSON in UTF-8: {error}") from None
    if not isinstance(document, dict):
        raise AuthorError(f"body: expected a JSON object; came {type(document).__name__}")
    known = {wanted.name: wanted for wanted in fields}
    unknown = next((name for name in document if name not in known), None)
    if unknown is not None:
        raise AuthorError(f"body: {unknown[:50]!r} is unknown; expected {', '.join(known) or 'nothing'}")
    values = {wanted.name: wanted.default for wanted in fields}
    values.update({name: known[name].checked(value) for name, value in document.items()})
    _complete(document, fields, "body")
    return values


def description(endpoints: Sequence[Endpoint], version: str, schemas: Mapping[str, Any]) -> dict[str, Any]:
    """The OpenAPI description of the endpoints."""
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint)
    error = {
        "type": "object",
        "required": ["error"],
        "properties": {
            "error": {
                "type": "object",
                "required": ["code", "message"],
                "properties": {"code": {"enum": sorted({*CODES.values(), "error"})}, "message": {"type": "string"}},
            }
        },
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "changerail",
            "version": version,
            "description": "Runs of network changes: look at them, answer their questions, start and cancel them.",
        },
        "paths": paths,
        "components": {
            "schemas": {**schemas, "Error": error},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}],
    }


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    names = re.findall(r"{(\w+)}", endpoint.path)
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}} for name in names
    ]
    parameters += [_parameter(wanted) for wanted in endpoint.query]
    failing = {"$ref": "#/components/schemas/Error"}
    common = (400, 401, 403, 405, 408, 413, 503) if not endpoint.public else (400, 405, 408, 413)
    answers: dict[str, Any] = {
        str(endpoint.status): {"description": "Done.", "content": {endpoint.media: {"schema": endpoint.answer}}}
    }
    for status in sorted({*common, *endpoint.fails}):
        answers[str(status)] = {"description": CODES[status], "content": {JSON_TYPE: {"schema": failing}}}
    operation: dict[str, Any] = {
        "operationId": endpoint.name,
        "summary": endpoint.summary,
        "parameters": parameters,
        "responses": answers,
    }
    if endpoint.public:
        operation["security"] = []
    if endpoint.body is not None:
        schema = {
            "type": "object",
            "additionalProperties": False,
            "required": [wanted.name for wanted in endpoint.body if wanted.required],
            "properties": {
                wanted.name: {**wanted.schema, "description": wanted.description} for wanted in endpoint.body
            },
        }
        operation["requestBody"] = {"required": True, "content": {JSON_TYPE: {"schema": schema}}}
    return operation


def _parameter(wanted: Field) -> dict[str, Any]:
    return {
        "name": wanted.name,
        "in": "query",
        "required": wanted.required,
        "description": wanted.description,
        "schema": dict(wanted.schema),
    }


def _complete(given: Any, fields: Sequence[Field], place: str) -> None:
    missing = [wanted.name for wanted in fields if wanted.required and wanted.name not in given]
    if missing:
        raise AuthorError(f"{place}: {', '.join(missing)} is missing")
