# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command ``changerail``: finds the verb's module, runs it, and makes an exit code of what happens. The console script calls ``main``.

Only click is imported before the verb is known, so ``changerail --help`` answers at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING

from ansible_collections.netops.changerail.plugins.module_utils.errors import ChangerailError, CheckError
from ansible_collections.netops.changerail.plugins.module_utils.text import harmless

if TYPE_CHECKING:
    import click

VERBS: Mapping[str, str] = {
    "check": "Report every mistake in workflow files; contacts nothing.",
    "rehearse": "Rehearse a workflow with a scenario; contacts nothing.",
    "test": "Rehearse all scenarios of a folder; contacts nothing.",
    "run": "Run a workflow.",
    "resume": "Go on with a run that waits or was interrupted.",
    "serve": "Drive all runs in one process, with pages, API and metrics.",
    "user": "Users of the server and their roles.",
    "token": "API tokens of the server's users.",
    "list": "List runs, the newest first.",
    "status": "Show how a run stands and who is waited for.",
    "show": "Show what happened in a run, or in one step of it.",
    "answer": "Answer a question: approve, review, decide after a failure.",
    "cancel": "Cancel a run.",
    "graph": "Draw a workflow or a run as Mermaid, Graphviz or text.",
    "schema": "Print the JSON Schema of workflow files, for editors.",
    "audit": "Verify journals and signatures, export evidence.",
}
"""Every verb with its one line of help, in the order in which a change meets them; the module ``verbs.<verb>`` has its ``command``."""

_INTERRUPTED = 130
_HELP = """Coordinates network changes that take days, around the pipelines that make them.

\b
Exit codes: 0 succeeded, 1 failed, 2 the file or the command line is wrong,
3 waiting, 4 cancelled, 5 the journal is damaged, 130 interrupted.
"""
_DEBUG = "CHANGERAIL_DEBUG"


def main() -> int:
    """Run the command line of this process; returns its exit code."""
    from ansible_collections.netops.changerail.plugins.plugin_utils.cli.terminal import make_streams_forgiving

    make_streams_forgiving()
    try:
        code = run(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read our output has seen enough; Python must not complain about it again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


def run(arguments: list[str]) -> int:
    """Run one command line; returns its exit code. What a user got wrong is said on standard error, never as a traceback."""
    import click

    try:
        code = group().main(arguments, prog_name="changerail", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return 2
    except (KeyboardInterrupt, click.Abort):
        return _INTERRUPTED
    except CheckError as error:
        sys.stderr.write(harmless(f"{error}\n"))
        return error.exit_code
    except ChangerailError as error:
        _complain(str(error))
        return error.exit_code
    except BrokenPipeError:
        raise
    except Exception as error:
        if os.environ.get(_DEBUG):
            raise
        _complain(f"unexpected {type(error).__name__}: {error} (this is a defect; {_DEBUG}=1 shows where it happened)")
        return 1
    return code if isinstance(code, int) else 0


def group() -> click.Group:
    """The command with its verbs, none of which is imported before it is used."""
    import click

    class Verbs(click.Group):
        def list_commands(self, ctx: click.Context) -> list[str]:
            return list(VERBS)

        def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
            if cmd_name not in VERBS:
                return None
            command: click.Command = import_module(f"{__package__}.verbs.{cmd_name}").command()
            return command

        def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
            with formatter.section("Verbs"):
                formatter.write_dl(list(VERBS.items()))

        def resolve_command(
            self, ctx: click.Context, args: list[str]
        ) -> tuple[str | None, click.Command | None, list[str]]:
            if args and args[0] not in VERBS and not args[0].startswith("-"):
                ctx.fail(_unknown(args[0]))
            return super().resolve_command(ctx, args)

    settings = {"help_option_names": ["-h", "--help"]}
    return Verbs("changerail", help=_HELP, params=[_version_option()], context_settings=settings, no_args_is_help=True)


def _version_option() -> click.Option:
    import click

    def show(ctx: click.Context, _param: click.Parameter, wanted: bool) -> None:
        if wanted:
            click.echo(f"changerail {version()}")
            ctx.exit()

    return click.Option(
        ["--version"], is_flag=True, expose_value=False, is_eager=True, callback=show, help="Show the version and exit."
    )


def version() -> str:
    """The version of the installed changerail."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    try:
        return installed("changerail")
    except PackageNotFoundError:
        return "(not installed as a package)"


def _unknown(verb: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(verb, VERBS, n=1)
    return f"no such verb: {verb}" + (f"; did you mean {near[0]}?" if near else "")


def _complain(message: str) -> None:
    sys.stderr.write(f"changerail: {harmless(message)}\n")
