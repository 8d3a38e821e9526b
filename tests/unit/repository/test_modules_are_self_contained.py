# A module is packed with module_utils alone: Ansible packs one that reaches plugin_utils without complaint, and it dies where it runs.
from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PLUGINS = Path(__file__).resolve().parents[3] / "plugins"
PREFIX = "ansible_collections.netops.changerail.plugins."


def imported_names(path: Path) -> Iterator[str]:
    """Every name below plugins/ that the file imports, at its top or inside a function."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            # Relative imports need no thought here: ruff forbids them.
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        yield from (name.removeprefix(PREFIX) for name in names if name.startswith(PREFIX))


def reached_from(path: Path, plugins: Path = PLUGINS) -> set[str]:
    """Names below plugins/ that are imported by the file, or by what it imports, and so on."""
    reached: set[str] = set()
    waiting = [path]
    while waiting:
        for name in imported_names(waiting.pop()):
            if name not in reached:
                reached.add(name)
                target = plugins / name.replace(".", "/")
                waiting += [file for file in (target.with_suffix(".py"), target / "__init__.py") if file.is_file()]
    return reached


PACKED = sorted([*(PLUGINS / "modules").glob("*.py"), *(PLUGINS / "module_utils").rglob("*.py")])


@pytest.mark.parametrize("path", PACKED, ids=lambda path: str(path.relative_to(PLUGINS)))
def test_what_is_packed_reaches_only_what_is_packed(path: Path) -> None:
    outside = sorted(name for name in reached_from(path) if not name.startswith("module_utils"))
    assert not outside


def test_the_search_follows_imports_through_other_files(tmp_path: Path) -> None:
    """The search itself, on a module that reaches a room of the controller only through what it shares."""
    shared = tmp_path / "module_utils" / "shared.py"
    shared.parent.mkdir()
    shared.write_text(f"def late():\n    from {PREFIX}plugin_utils.engine import run\n", encoding="utf-8")
    module = tmp_path / "module.py"
    module.write_text(f"from {PREFIX}module_utils.shared import late\n", encoding="utf-8")
    assert "plugin_utils.engine.run" in reached_from(module, tmp_path)
