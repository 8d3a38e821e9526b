# Hatchling's build hook; only the build back-end calls it.
# It makes the checkout importable as ansible_collections.netops.changerail for an editable install.
from __future__ import annotations

from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

DEV_TREE = Path("build/dev/ansible_collections/netops/changerail")
# One link per part: a single link to the checkout would contain build/dev again, and tools that walk it never end.
PARTS = ("extensions", "galaxy.yml", "LICENSE", "meta", "playbooks", "plugins", "README.md", "roles", "tests")


class DevTreeHook(BuildHookInterface):
    """Lays one symlink per top-level part of the collection under build/dev before an editable build."""

    PLUGIN_NAME = "dev-tree"

    def initialize(self, version: str, build_data: dict) -> None:
        if version != "editable":
            return
        tree = Path(self.root) / DEV_TREE
        tree.mkdir(parents=True, exist_ok=True)
        # A part that does not exist yet is linked too, so that it needs no new install when it comes.
        for part in PARTS:
            link = tree / part
            if not link.is_symlink():
                # Relative, so the checkout may be moved or mounted elsewhere.
                link.symlink_to(Path(*[".."] * len(DEV_TREE.parts)) / part)
