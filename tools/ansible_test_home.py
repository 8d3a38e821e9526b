# Prepares a home directory in which `ansible-test --venv` works without fetching anything but packages.
# tools/ansible-test calls it: ansible_test_home.py HOME.
"""ansible-test downloads get-pip from a host that a closed network does not reach, and hands its children neither
PIP_* variables nor the real home's pip settings. A stand-in for get-pip, in its cache, uses the pip that Python
itself carries; and the pip settings in force are written where a pip with this home finds them.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace

from ansible_test._internal.python_requirements import get_venv_packages

GET_PIP = """\
# Stands in for get-pip: installs the versions asked for with the pip that Python carries.
import subprocess
import sys

# In a process of its own, because ensurepip switches pip's settings off in its environment.
subprocess.run([sys.executable, "-m", "ensurepip"], check=True, stdout=subprocess.DEVNULL)
packages = [argument for argument in sys.argv[1:] if not argument.startswith("--no-")]
sys.exit(subprocess.call([sys.executable, "-m", "pip", "install", *packages]))
"""


def pip_settings() -> dict[str, dict[str, str]]:
    """Section -> option -> value of every pip setting in force, environment variables included."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    settings: dict[str, dict[str, str]] = defaultdict(dict)
    for line in subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines():
        key, value = line.split("=", maxsplit=1)
        section, option = key.rsplit(".", maxsplit=1)
        settings["global" if section == ":env:" else section][option] = ast.literal_eval(value)
    # Without it, pip's progress hides what the sanity tests say.
    settings["global"]["quiet"] = "2"
    return settings


def main(home: Path) -> None:
    cache = home / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    version = get_venv_packages(SimpleNamespace(version=f"{sys.version_info.major}.{sys.version_info.minor}"))["pip"]
    (cache / f"get_pip_{version.replace('.', '_')}.py").write_text(GET_PIP, encoding="utf-8")

    config = home / ".config" / "pip" / "pip.conf"
    config.parent.mkdir(parents=True, exist_ok=True)
    lines = []
    for section, options in pip_settings().items():
        lines += [f"[{section}]", *(f"{option} = {value}" for option, value in options.items())]
    config.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
