# Every planted fault of `make mutants` has a place, so that code which moves away from under one is noticed at once. Run by pytest.
from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
MUTANTS = tomllib.loads((ROOT / "tests" / "mutants" / "mutants.toml").read_text(encoding="utf-8"))["mutant"]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant["name"])
def test_it_can_be_planted(mutant: dict[str, str]) -> None:
    text = (ROOT / "plugins" / mutant["file"]).read_text(encoding="utf-8")
    assert text.count(mutant["old"]) == 1
