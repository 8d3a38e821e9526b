"""Secrets planted through every door of a real run; then everything it left behind and everything it showed is searched for them."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from support.servers import Answer, web

SECRETS = {
    "vault": "s3cr3t-from-the-vault",
    "environment": "s3cr3t-from-the-environment",
    "extra_var": "s3cr3t-extra-var",
    "url": "s3cr3t-in-a-url",
    "header": "s3cr3t-in-a-header",
    "project": "s3cr3t-of-the-project-file",
    "no_log_result": "s3cr3t-result-of-no-log",
    "no_log_playbook": "s3cr3t-output-of-no-log-task",
    "vault_password": "s3cr3t-vault-password",
}
PATTERN = "s3cr3t"
BIN = Path(sys.executable).parent

WORKFLOW = """
name: Secrets
inventory: "localhost,"
vars:
  vaulted: !vault |
{vaulted}
  from_environment: "{{{{ lookup('ansible.builtin.env', 'ROUTER_PASSWORD') }}}}"
steps:
  - name: Shown on purpose
    ansible.builtin.debug: {{msg: "{{{{ vaulted }}}} {{{{ from_environment }}}} {{{{ enable_password }}}}"}}
  - name: A reply that echoes what was sent
    netops.changerail.dependency:
      http:
        url: "http://user:{{{{ lookup('ansible.builtin.file', '{outside}/url') }}}}@{host}/echo"
        headers: {{Authorization: "Bearer {{{{ lookup('ansible.builtin.file', '{outside}/header') }}}}"}}
    register: echo
    ignore_errors: true
  - name: A playbook
    ansible.builtin.import_playbook: play.yml
    register: played
  - name: Hidden
    no_log: true
    ansible.builtin.debug: {{msg: "{{{{ lookup('ansible.builtin.file', '{outside}/no_log_result') }}}}"}}
    register: hidden
  - name: A failure that quotes
    ansible.builtin.fail: {{msg: "refused {{{{ vaulted }}}} and {{{{ enable_password }}}}"}}
    ignore_errors: true
  - name: A template that fails
    ansible.builtin.debug: {{msg: "{{{{ vaulted | community_does_not_exist }}}}"}}
    ignore_errors: true
  - name: Told
    netops.changerail.notify: {{to: [chat], message: "{{{{ vaulted }}}}"}}
    ignore_errors: true
"""

PLAY = """
- name: Play
  hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - name: Quiet
      # Not as an argument: command lines are searched as well, and that one would be of the playbook's own making.
      ansible.builtin.command: {{argv: [cat], stdin: "{no_log_playbook}"}}
      changed_when: false
      no_log: true
      register: quiet
    - name: Given
      ansible.builtin.assert: {{that: [enable_password | length > 0, vaulted | length > 0], quiet: true}}
      no_log: true
"""


@pytest.fixture
def place(tmp_path):
    password = tmp_path / "outside" / "vault-password"
    password.parent.mkdir()
    password.write_text(SECRETS["vault_password"])
    password.chmod(0o600)
    command = [BIN / "ansible-vault", "encrypt_string", "--vault-password-file", password, SECRETS["vault"]]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    vaulted = "\n".join(f"    {line.strip()}" for line in done.stdout.splitlines() if not line.startswith("!vault"))
    # In files, so that nothing but their place tells that they are secret: no name, and no text of the workflow's.
    outside = password.parent
    for name in ("url", "header", "no_log_result"):
        (outside / name).write_text(SECRETS[name])
    folder = tmp_path / "change"
    folder.mkdir()
    with web() as server:
        server.answers["/echo"] = Answer(400, {"you sent": f"Bearer {SECRETS['header']}", "url": SECRETS["url"]})
        host = server.url.removeprefix("http://")
        (folder / "change.yml").write_text(WORKFLOW.format(vaulted=vaulted, host=host, outside=outside))
        (folder / "play.yml").write_text(PLAY.format(**SECRETS))
        chat = f"json://user:{{CHAT_SECRET}}@{host}/hook"
        (folder / "changerail.yml").write_text(f"channels:\n  chat: {{env: CHAT_URL}}\n  # {len(chat)}\n")
        folder.chmod(0o755)
        yield folder, password, f"json://user:{SECRETS['project']}@{host}/hook"


def test_no_secret_is_left_in_any_file_or_shown_anywhere(place, tmp_path):
    folder, password, chat = place
    state = tmp_path / "state"
    environment = {
        **os.environ,
        "CHANGERAIL_HOME": str(state),
        "ROUTER_PASSWORD": SECRETS["environment"],
        "CHAT_URL": chat,
        "ANSIBLE_VAULT_PASSWORD_FILE": str(password),
    }
    seen = _Processes()
    with seen:
        extra = folder / "secrets-of-tonight.yml"
        extra.write_text(f"enable_password: {SECRETS['extra_var']}\n")
        shown = _changerail(environment, folder, "run", "change.yml", "-e", f"@{extra}", "--run-id", "r1")
    shown += _changerail(environment, folder, "status", "r1")
    shown += _changerail(environment, folder, "status", "r1", "--json")
    for step in ("a-playbook", "shown-on-purpose", "a-reply-that-echoes-what-was-sent", "a-template-that-fails"):
        shown += _changerail(environment, folder, "show", "r1", step)
    shown += _changerail(environment, folder, "show", "r1", "--timeline")
    shown += _changerail(environment, folder, "audit", "export", "r1", "-o", str(tmp_path / "export"))
    assert "run r1 succeeded" in shown, shown
    assert _leaks(shown) == []
    assert seen.command_lines and not [line for line in seen.command_lines if PATTERN in line]
    files = [path for root in (state, tmp_path / "export") for path in root.rglob("*") if path.is_file()]
    assert len(files) > 10
    found = {str(path.relative_to(tmp_path)): _leaks(path.read_text(errors="replace")) for path in files}
    assert {path: leaks for path, leaks in found.items() if leaks} == {}


def _leaks(text: str) -> list[str]:
    return [line[:300] for line in text.splitlines() if PATTERN in line]


def _changerail(environment, folder, *arguments: str) -> str:
    command = [str(BIN / "changerail"), *arguments]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


class _Processes:
    """Looks at the command lines of all processes again and again while it is entered."""

    def __init__(self) -> None:
        self.command_lines: set[str] = set()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        self._thread.join(10)

    def _look(self) -> None:
        while not self._over.wait(0.02):
            for place in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    self.command_lines.add(place.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
                except OSError:
                    continue
