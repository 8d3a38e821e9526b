# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A graph as a Mermaid flowchart, which GitLab, GitHub and many wikis draw. Pure; the command line and the web pages call it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from ansible_collections.netops.changerail.plugins.plugin_utils.exports.colours import COLOURS
from ansible_collections.netops.changerail.plugins.plugin_utils.views.graph import (
    END,
    JOIN,
    PEOPLE,
    START,
    STEP,
    WAIT,
    Cluster,
    Graph,
    Node,
)

_SHAPES: Mapping[str, tuple[str, str]] = {
    START: ("([", "])"),
    END: ("([", "])"),
    STEP: ("[", "]"),
    PEOPLE: ("{{", "}}"),
    WAIT: ("[/", "/]"),
    JOIN: ("((", "))"),
}


def mermaid(graph: Graph) -> str:
    """The flowchart's text. Every text of the author is quoted and escaped."""
    return (
        "\n".join(
            [
                "---",
                f"title: {_title(graph.name)}",
                "---",
                "flowchart TD",
                *_inside(graph.root, 1),
                *_edges(graph),
                *_states(graph),
            ]
        )
        + "\n"
    )


def _inside(cluster: Cluster, depth: int) -> Iterator[str]:
    indent = "  " * depth
    for node in cluster.nodes:
        before, after = _SHAPES[node.shape]
        yield f'{indent}{node.id}{before}"{_text(node.label)}"{after}'
    for inner in cluster.clusters:
        yield f'{indent}subgraph {inner.id}["{_text(inner.label)}"]'
        yield from _inside(inner, depth + 1)
        yield f"{indent}end"


def _edges(graph: Graph) -> Iterator[str]:
    for edge in graph.edges:
        label = f'|"{_text(edge.label)}"|' if edge.label else ""
        yield f"  {edge.source} -->{label} {edge.target}"


def _states(graph: Graph) -> Iterator[str]:
    by_state: dict[str, list[str]] = {}
    for node in _nodes(graph.root):
        if node.state in COLOURS:
            by_state.setdefault(node.state, []).append(node.id)
    for state, nodes in by_state.items():
        colour = COLOURS[state]
        yield f"  classDef {state} fill:{colour.fill},stroke:{colour.line},color:#000"
        yield f"  class {','.join(nodes)} {state}"


def _nodes(cluster: Cluster) -> Iterator[Node]:
    yield from cluster.nodes
    for inner in cluster.clusters:
        yield from _nodes(inner)


def _text(text: str) -> str:
    """``text`` inside quotes; whatever Mermaid or HTML would understand is written as an entity."""
    return "".join(_character(character) for character in text)


def _character(character: str) -> str:
    if character == "\n":
        return "<br>"
    if character in '"#&<>`\\;' or not character.isprintable():
        return f"#{ord(character)};"
    return character


def _title(text: str) -> str:
    """The name as a YAML string, which the front matter is."""
    return json.dumps(" ".join(text.split()), ensure_ascii=False)
