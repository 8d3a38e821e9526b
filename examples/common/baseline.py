"""Renders what the routers run before the change, from the intent's main branch; the demo and the lab start their routers with it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from examples.common.changerail import CHANGE, PROGRAMS, Changerail
from examples.common.stage import Stage


def render_baseline(changerail: Changerail, stage: Stage, inventory: Path) -> None:
    """Write ``<router>.conf`` for every router into ``stage.baseline``. The run's variables must have been written."""
    variables = json.dumps({"intent_ref": "main", "build": str(stage.baseline)})
    command = [
        *(str(PROGRAMS / "ansible-playbook"), "-i", str(inventory), str(CHANGE / "playbooks" / "render.yml")),
        *("-e", f"@{stage.variables}", "-e", variables),
    ]
    done = subprocess.run(command, env=changerail.environment, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"the routers' first configuration cannot be rendered:\n{done.stdout}{done.stderr}")
