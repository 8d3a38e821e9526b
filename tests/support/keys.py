"""SSH keys as tests need them."""

from __future__ import annotations

from pathlib import Path


def public(key: Path) -> str:
    """The public half of a private key, as it stands in the file beside it."""
    return key.with_suffix(".pub").read_text().strip()
