# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the API takes and gives, as values: fields of queries and bodies, and endpoints. Pure; ``web.api`` is made of it.

What comes is held against the very schemas that the OpenAPI description shows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils.errors import AuthorError
from ansible_collections.netops.changerail.plugins.plugin_utils.web.answers import CODES

JSON_TYPE = "application/json"
DEEPEST = 64
"""Lists and mappings in one another, in a body."""
_WORDS = {"true": True, "false": False}


@dataclass(frozen=True)
class Field:
    """A field of a query or a body. ``schema`` is a JSON Schema with a ``type``; ``default`` holds when it is left out."""

    name: str
    schema: Mapping[str, Any]
    description: str
    required: bool = False
    default: Any = None

    def of_text(self, text: str) -> Any:
        """The value written in a query; one that is none is left as text, which the schema then refuses."""
        kind = self.schema["type"]
        if kind == "integer" and re.fullmatch(r"-?\d{1,18}", text, re.ASCII):
            return int(text)
        return _WORDS.get(text, text) if kind == "boolean" else text


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
    values: dict[str, Any] = {}
    for name, text in given:
        if name in values:
            raise AuthorError(f"query: {name[:50]} stands there twice")
        values[name] = known[name].of_text(text) if name in known else text
    return _complete(values, fields, "query")


def body_of(content: bytes, fields: Sequence[Field]) -> dict[str, Any]:
    """The values of a body in JSON. Raises AuthorError."""
    try:
        document = json.loads(content.decode()) if content.strip() else {}
        # Neither half of a character nor a number that is none goes on from here.
        json.dumps(document, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError) as error:
        raise AuthorError(f"body: expected JSON in UTF-8: {error}") from None
    if _is_deep(document):
        raise AuthorError(f"body: lists and mappings stand in one another more than {DEEPEST} deep")
    return _complete(document, fields, "body")


def _is_deep(document: Any) -> bool:
    """Whether it is deeper than what comes after it could follow; found without following."""
    level = [document]
    for _depth in range(DEEPEST + 1):
        level = [
            inner
            for value in level
            if isinstance(value, (dict, list))
            for inner in (value.values() if isinstance(value, dict) else value)
        ]
        if not level:
            return False
    return True


def _complete(given: Any, fields: Sequence[Field], place: str) -> dict[str, Any]:
    """What was given, with the defaults for the rest. Raises AuthorError for what the description does not allow."""
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    wrong = best_match(Draft202012Validator(_object(fields)).iter_errors(given))
    if wrong is not None:
        at = "".join(f" {part}" for part in wrong.absolute_path)
        # Of a long message the value stands first, and what is wrong with it last.
        said = wrong.message if len(wrong.message) <= 200 else f"{wrong.message[:100]} … {wrong.message[-99:]}"
        raise AuthorError(f"{place}{at}: {said}")
    return {**{wanted.name: wanted.default for wanted in fields}, **given}


def _object(fields: Sequence[Field]) -> dict[str, Any]:
    """The JSON Schema of an object with these fields and no others."""
    return {
        "type": "object",
        "additionalProperties": False,
        "required": [wanted.name for wanted in fields if wanted.required],
        "properties": {wanted.name: {**wanted.schema, "description": wanted.description} for wanted in fields},
    }


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
        operation["requestBody"] = {"required": True, "content": {JSON_TYPE: {"schema": _object(endpoint.body)}}}
    return operation


def _parameter(wanted: Field) -> dict[str, Any]:
    return {
        "name": wanted.name,
        "in": "query",
        "required": wanted.required,
        "description": wanted.description,
        "schema": dict(wanted.schema),
    }
