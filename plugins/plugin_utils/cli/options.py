# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What several verbs share: options, arguments, and that an extra is there. Only verbs call it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.netops.changerail.plugins.module_utils.errors import AuthorError

if TYPE_CHECKING:
    import click


def run_argument() -> click.Argument:
    """A run: its id, an unambiguous beginning of it, or "last"."""
    import click

    return click.Argument(["run"], default="last")


def needed_run_argument() -> click.Argument:
    """As ``run_argument``, for verbs that change something: nobody cancels "the last run" by leaving a word out."""
    import click

    return click.Argument(["run"])


def json_option() -> click.Option:
    """``--json``, as ``as_json``."""
    import click

    return click.Option(["--json", "as_json"], is_flag=True, help="Write JSON, for scripts.")


def config_option() -> click.Option:
    """``--config``, as ``config``."""
    import click

    return click.Option(
        ["--config"],
        type=click.Path(dir_okay=False),
        metavar="FILE",
        help="The project file; default $CHANGERAIL_CONFIG, ./changerail.yml or ~/.changerail.yml.",
    )


def until_waiting_option() -> click.Option:
    """``--until-waiting``, as ``until_waiting``."""
    import click

    return click.Option(
        ["--until-waiting"], is_flag=True, help="Exit with code 3 as soon as only people or long waits are left."
    )


def extra_vars_option() -> click.Option:
    """``-e``, as ``extra_vars``."""
    import click

    return click.Option(
        ["-e", "--extra-vars"],
        multiple=True,
        metavar="VARS",
        help="Variables as key=value, YAML, JSON or @file, stronger than the workflow's own.",
    )


def need_extra(extra: str, *modules: str) -> None:
    """Refuse to go on without the modules of an extra. Raises AuthorError."""
    from importlib.util import find_spec

    def there(name: str) -> bool:
        try:
            return find_spec(name) is not None
        except ModuleNotFoundError:
            return False

    missing = [name for name in modules if not there(name)]
    if missing:
        raise AuthorError(
            f"this takes the extra [{extra}], of which {', '.join(missing)} is missing: pip install 'changerail[{extra}]'"
        )
