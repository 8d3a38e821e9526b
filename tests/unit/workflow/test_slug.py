"""Ids made from names."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.slug import LONGEST, slug


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Open the change record", "open-the-change-record"),
        ("Größe ändern für Øresund", "groesse-aendern-fuer-oeresund"),
        ("Reload  --  R1/R2", "reload-r1-r2"),
        ("Deploy to {{ site }}", "deploy-to"),
        ("{{ site }}: deploy {% if x %}now{% endif %}", "deploy-now"),
        ("{{ never closed", ""),
        ("Déjà vu", "deja-vu"),
        ("変更", ""),
        ("x" * 200, "x" * LONGEST),
        ("a" * (LONGEST - 1) + " b", "a" * (LONGEST - 1)),
    ],
)
def test_examples(name: str, expected: str) -> None:
    assert slug(name) == expected


@given(st.text())
def test_a_slug_is_fit_for_a_path_and_stays_as_it_is(name: str) -> None:
    made = slug(name)
    assert re.fullmatch(r"([a-z0-9]+(-[a-z0-9]+)*)?", made)
    assert len(made) <= LONGEST
    assert slug(made) == made
