"""``make bench``: every figure, measured in one run, as a table and (``--json FILE``) as JSON. Nothing here passes or fails."""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench import core, crashes, faults, journal, latency, pages, runs, server
from bench.figure import Figure

TOPICS: Mapping[str, Callable[[], Iterable[Figure]]] = {
    "core": core.figures,
    "journal": journal.figures,
    "runs": runs.figures,
    "latency": latency.figures,
    "server": server.figures,
    "pages": pages.figures,
    "crash": crashes.figures,
    "faults": faults.figures,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("topics", nargs="*", choices=[*TOPICS, []], help="only these")
    parser.add_argument("--json", metavar="FILE", help="write the figures there as JSON too")
    options = parser.parse_args()
    measured: list[Figure] = []
    try:
        for topic in options.topics or TOPICS:
            print(f"measuring {topic} …", file=sys.stderr, flush=True)
            measured.extend(TOPICS[topic]())
    finally:
        # What was measured before a topic failed is not lost with it.
        show(measured)
    if options.json:
        document = {"python": platform.python_version(), "figures": [figure.as_dict() for figure in measured]}
        Path(options.json).write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def show(measured: Iterable[Figure]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title="figures", title_justify="left")
    for heading in ("topic", "what", "figure", "ratio", "against", "aim"):
        table.add_column(heading, justify="right" if heading in ("figure", "ratio") else "left")
    for figure in measured:
        ratio = "" if figure.ratio is None else f"{figure.ratio:.2f}×"
        table.add_row(figure.topic, figure.what, f"{figure.value:.3g} {figure.unit}", ratio, figure.against, figure.aim)
    Console().print(table)


if __name__ == "__main__":
    main()
