# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A graph in Graphviz's language. Pure; the command line calls it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ansible_collections.netops.changerail.plugins.module_utils.text import harmless
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
)

_SHAPES: Mapping[str, str] = {
    START: "oval",
    END: "oval",
    STEP: "box",
    PEOPLE: "hexagon",
    WAIT: "parallelogram",
    JOIN: "circle",
}


def dot(graph: Graph) -> str:
    """The digraph's text. Every text of the author is quoted and escaped."""
    lines = [
        "digraph changerail {",
        f"  label={_quoted(graph.name)};",
        "  labelloc=t;",
        '  node [fontname="sans-serif" style=filled fillcolor=white];',
    ]
    return "\n".join([*lines, *_inside(graph.root, 1), *_edges(graph), "}"]) + "\n"


def _inside(cluster: Cluster, depth: int) -> Iterator[str]:
    indent = "  " * depth
    for node in cluster.nodes:
        colour = COLOURS.get(node.state)
        paint = f' fillcolor="{colour.fill}" color="{colour.line}"' if colour is not None else ""
        yield f"{indent}{node.id} [label={_quoted(node.label)} shape={_SHAPES[node.shape]}{paint}];"
    for inner in cluster.clusters:
        yield f"{indent}subgraph cluster_{inner.id} {{"
        yield f"{indent}  label={_quoted(inner.label)};"
        yield from _inside(inner, depth + 1)
        yield f"{indent}}}"


def _edges(graph: Graph) -> Iterator[str]:
    for edge in graph.edges:
        label = f" [label={_quoted(edge.label)}]" if edge.label else ""
        yield f"  {edge.source} -> {edge.target}{label};"


def _quoted(text: str) -> str:
    safe = harmless(text).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{safe}"'
