"""Renders what the routers run before a change; the demo and the labs start their routers with it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from examples.common.changerail import CHANGE, PROGRAMS, Changerail
from examples.common.stage import Stage

RENDER = CHANGE / "playbooks" / "render.yml"


def render_baseline(changerail: Changerail, stage: Stage, inventory: Path, playbook: Path = RENDER) -> None:
    """Write ``<router>.conf`` for every router into ``stage.baseline``. The run's variables must have been written.

    The playbook gets ``build``, the folder, and ``intent_ref``, the branch of the intent as it is.
    """
    stage.baseline.mkdir(exist_ok=True)
    variables = json.dumps({"intent_ref": "main", "build": str(stage.baseline)})
    command = [
        *(str(PROGRAMS / "ansible-playbook"), "-i", str(inventory), str(playbook)),
        *("-e", f"@{stage.variables}", "-e", variables),
    ]
    done = subprocess.run(command, env=changerail.environment, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"the routers' first configuration cannot be rendered:\n{done.stdout}{done.stderr}")
