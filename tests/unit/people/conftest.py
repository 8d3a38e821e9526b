# Real SSH keys for the tests of this folder; pytest loads it.
from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def make_key(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """Makes an ed25519 key of this name with this passphrase; the public key lies beside it. One name is one key."""
    folder = tmp_path_factory.mktemp("keys")

    def make(name: str, passphrase: str = "") -> Path:
        key = folder / name
        if not key.exists():
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-C", name, "-f", str(key)]
            subprocess.run(command, check=True, timeout=30)
        return key

    return make


@pytest.fixture(scope="session")
def nina_key(make_key: Callable[..., Path]) -> Path:
    return make_key("nina")


@pytest.fixture(scope="session")
def mallory_key(make_key: Callable[..., Path]) -> Path:
    return make_key("mallory")
