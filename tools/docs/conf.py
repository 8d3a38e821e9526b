# Sphinx's settings for the documentation's site; `make docs` uses them on the sources that assemble.py lays out.
from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml
from docutils import nodes

ROOT = Path(__file__).resolve().parents[2]
GALAXY = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))
ANSIBLE = "https://docs.ansible.com/ansible/latest"
LABELS = {
    "action_plugins": "plugins/action.html",
    "ansible_configuration_settings": "reference_appendices/config.html",
    "callback_plugins": "plugins/callback.html",
    "common_return_values": "reference_appendices/common_return_values.html",
}

project = "changerail"
author = "changerail contributors"
project_copyright = author
version = release = GALAXY["version"]
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_antsibull_ext"]
myst_heading_anchors = 4
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_type_aliases = {"Event": "Event", "Home": "Home"}
add_module_names = False
python_maximum_signature_line_length = 80
html_theme = "furo"
html_title = f"changerail {version}"
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "source_repository": f"{GALAXY['repository']}/",
    "source_branch": "main",
    "source_directory": "docs/",
}
# A file of our own repository is looked for by the tests, in the checkout.
linkcheck_ignore = [
    r"https?://[^/]*\.?example\.(com|net|org)",
    rf"{GALAXY['repository']}/(blob|tree)/",
    r"https?://(localhost|127\.0\.0\.1)",
]
linkcheck_timeout = 15
linkcheck_retries = 2


def in_ansibles_documentation(app: Any, env: Any, node: Any, content: Any) -> Any:
    """A label of Ansible's own documentation, or a plugin of another collection, leads there; no inventory has to be fetched for it."""
    label = node.get("reftarget", "")
    page = LABELS.get(label)
    if other := re.fullmatch(r"ansible_collections\.(?!netops\.changerail\.)(\w+)\.(\w+)\.(\w+)", label):
        page = f"collections/{other[1]}/{other[2]}/{other[3]}.html"
    if node.get("reftype") != "ref" or page is None:
        return None
    reference = nodes.reference("", "", internal=False, refuri=f"{ANSIBLE}/{page}")
    reference += content
    return reference


def without_contents(app: Any, name: str, source: list[str]) -> None:
    """A page's contents stand beside it already; antsibull-docs writes them into the page as well."""
    source[0] = re.sub(r"^\.\. contents::\n(   :.*\n)+", "", source[0], flags=re.MULTILINE)


def without_factories(
    app: Any, what: str, name: str, obj: Any, options: Any, signature: str | None, returns: str
) -> Any:
    """Sphinx cannot read the default that a dataclass makes anew for each value."""
    if signature is None or "<factory>" not in signature:
        return None
    return re.sub(r"~(\w+\.)+", "", signature).replace("<factory>", "..."), returns


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("missing-reference", in_ansibles_documentation)
    app.connect("source-read", without_contents)
    app.connect("autodoc-process-signature", without_factories)
