"""The event source as ansible-rulebook has it: a file that is run on its own."""

from __future__ import annotations

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

PLACE = Path(__file__).resolve().parents[2] / "extensions" / "eda" / "plugins" / "event_source" / "runs.py"


def event_source() -> ModuleType:
    """It, made anew. Not with runpy as ansible-rulebook does: under ansible-test that takes any file for a package."""
    spec = spec_from_file_location("event_source", PLACE)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
