"""changerail.yml: where it is found, what it says, and every mistake in it at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.netops.changerail.plugins.module_utils.errors import AuthorError, CheckError, OperationError
from ansible_collections.netops.changerail.plugins.plugin_utils.people.access import Grant
from ansible_collections.netops.changerail.plugins.plugin_utils.people.policy import Level
from ansible_collections.netops.changerail.plugins.plugin_utils.people.project import Project, Reference, Resolver
from ansible_collections.netops.changerail.plugins.plugin_utils.people.project_file import find, load
from ansible_collections.netops.changerail.plugins.plugin_utils.people.sign_in import OpenId, Proxy

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGVZU3l0ZXN0a2V5MDAwMDAwMDAwMDAwMDAwMDAw nina@laptop"
OPENID = "sign_in: {openid: {issuer: 'https://login.example.net', client_id: c"
VAULT = "$ANSIBLE_VAULT;1.1;AES256\n6162"

WHOLE = f"""\
people:
  nina:
    os_user: [nina, nina-adm]
    groups: netsec
    mail: nina@example.net
    notify: {{env: NINA_URL}}
    keys:
      - {KEY}
  Jürgen O'Neil:
    os_user: jm
  otto:
groups:
  netops: [nina, Jürgen O'Neil]
  oncall: otto
connections:
  servicenow:
    url: https://example.service-now.test
    username: changerail
    password: {{env: SN_PASSWORD}}
    verify: false
    headers: {{X-Trace: {{env: TRACE}}}}
  gitlab:
    token: !vault |
      {VAULT.splitlines()[0]}
      {VAULT.splitlines()[1]}
channels:
  chat: {{env: CHAT_URL}}
  pager: [json://localhost:8080/pager, mailto://localhost:2525]
calendars:
  windows: calendars/windows.ics
  freeze: https://example.net/freeze.ics
defaults:
  deadline: 2d
  assurance: signed
escalation:
  - {{after: 30m, to: [oncall]}}
  - {{after: 1h, to: pager}}
allowed_signers: allowed_signers
trusted_os_users: awx
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "changerail.yml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return load(written(tmp_path, WHOLE))


def test_people_and_groups_from_both_places(project: Project) -> None:
    nina = project.people.by_name["nina"]
    assert (nina.os_users, nina.groups, nina.mail, nina.keys) == (
        ("nina", "nina-adm"),
        {"netsec", "netops"},
        "nina@example.net",
        (KEY,),
    )
    assert project.people.of_login("jm").person == "Jürgen O'Neil"
    assert project.people.of_login("otto").groups == {"oncall"}
    assert project.groups == {"netsec": ["nina"], "netops": ["Jürgen O'Neil", "nina"], "oncall": ["otto"]}


def test_the_rest(project: Project, tmp_path: Path) -> None:
    assert project.defaults == {"deadline": "2d", "assurance": "signed"}
    assert project.escalation == (Level(1800.0, ("oncall",)), Level(3600.0, ("pager",)))
    assert project.allowed_signers == tmp_path / "allowed_signers"
    assert project.people.trusted == {"awx"}


def test_operations_get_values_with_references_followed_when_read(project: Project, tmp_path: Path) -> None:
    environment = {
        "SN_PASSWORD": "s3cret",
        "TRACE": "t1",
        "CHAT_URL": "slack://a/b/c",
        "NINA_URL": "json://localhost/nina",
    }
    connections, settings = project.context_parts(
        Resolver(environment, lambda ciphertext: f"decrypted {ciphertext[:14]}")
    )
    assert connections["servicenow"] == {
        "url": "https://example.service-now.test",
        "username": "changerail",
        "password": "s3cret",
        "verify": False,
        "headers": {"X-Trace": "t1"},
    }
    assert connections["gitlab"] == {"token": "decrypted $ANSIBLE_VAULT"}
    assert settings["channels"]["chat"] == ["slack://a/b/c"]
    assert settings["channels"]["pager"] == ["json://localhost:8080/pager", "mailto://localhost:2525"]
    assert settings["people"]["nina"] == {
        "groups": ["netops", "netsec"],
        "mail": "nina@example.net",
        "notify": ["json://localhost/nina"],
    }
    assert settings["people"]["otto"] == {"groups": ["oncall"], "mail": "", "notify": []}
    assert settings["groups"]["netsec"] == ["nina"]
    assert dict(settings["calendars"]) == {
        "windows": str(tmp_path / "calendars/windows.ics"),
        "freeze": "https://example.net/freeze.ics",
    }
    assert settings["defaults"] == {"deadline": "2d", "assurance": "signed"}


def test_what_cannot_be_resolved_hurts_only_who_reads_it_and_names_the_place(project: Project, tmp_path: Path) -> None:
    connections, settings = project.context_parts(Resolver())
    assert set(connections) == {"servicenow", "gitlab"}
    assert "gitlab" in connections
    assert "jenkins" not in connections
    assert connections.get("jenkins", {}) == {}
    assert settings["people"]["otto"]["notify"] == []
    with pytest.raises(OperationError, match=r"changerail\.yml:19:15: the environment variable SN_PASSWORD is not set"):
        connections["servicenow"]
    with pytest.raises(OperationError, match=r"changerail\.yml:23:12: cannot decrypt: .*vault"):
        connections["gitlab"]


def test_secrets_are_all_that_references_stand_for(project: Project) -> None:
    environment = {"SN_PASSWORD": "s3cret", "CHAT_URL": "slack://a/b/c", "TRACE": ""}
    assert project.secrets(Resolver(environment, lambda ciphertext: "glpat-1")) == {
        "s3cret",
        "slack://a/b/c",
        "glpat-1",
    }
    assert project.secrets(Resolver()) == frozenset()


def test_a_project_shows_no_secret(project: Project) -> None:
    project.context_parts(Resolver({"SN_PASSWORD": "s3cret"}))
    assert "s3cret" not in repr(project)


def test_signers_are_the_keys_of_people_and_the_file(project: Project, tmp_path: Path) -> None:
    (tmp_path / "allowed_signers").write_text("nina@example.net ssh-ed25519 AAAA\n")
    signers = project.signers()
    assert signers.allowed == "nina@example.net ssh-ed25519 AAAA\n"
    assert signers.keys["nina"] == (KEY,)
    assert signers.principals == {"nina": ("nina@example.net",)}


def test_an_allowed_signers_file_that_anybody_can_write_is_not_believed(project: Project, tmp_path: Path) -> None:
    signers = tmp_path / "allowed_signers"
    signers.write_text("")
    signers.chmod(0o666)
    with pytest.raises(AuthorError, match="anybody may write"):
        project.signers()


@pytest.mark.parametrize("text", ["", "\n---\n  # nothing yet\n", "people:\ngroups:\nchannels:\n", "{}"])
def test_an_empty_project_is_a_project(tmp_path: Path, text: str) -> None:
    project = load(written(tmp_path, text))
    assert project.people.by_name == {}
    assert project.people.of_login("otto").known


WRONG = """\
peeple: {}
people:
  nina: {os_users: nina, mail: [a, b], keys: not-a-key}
  nora: {os_user: nl12}
  otto: {os_user: nl12}
groups:
  netops: [nima, nina]
connections:
  servicenow: {password: hunter2, url: "https://bob:hunter3@example.net/"}
  gitlab: https://example.net
channels:
  chat: chatroom
defaults:
  deadline: soon
  assurance: sinned
  quorum: 2
escalation:
  - {after: later, to: onkall}
  - {to: nina}
calendars: [windows.ics]
trusted_os_users: [awx, nl12]
"""


def test_every_mistake_is_reported_at_once_with_its_place_and_a_suggestion(tmp_path: Path) -> None:
    path = written(tmp_path, WRONG)
    with pytest.raises(CheckError) as caught:
        load(path)
    found = [str(mistake).removeprefix(f"{path}:") for mistake in caught.value.mistakes]
    expected = [
        ("1:1", "'peeple'", "did you mean 'people'?"),
        ("3:10", "'os_users'", "did you mean 'os_user'?"),
        ("3:32", "a list", "expected text"),
        ("3:46", "'not-a-key' is no SSH public key", "ssh-ed25519"),
        ("5:19", "OS user nl12 belongs to nora already", ""),
        ("7:12", "'nima' is not among the people", "did you mean 'nina'?"),
        ("9:26", "a secret stands here in clear (password)", "{env: NAME}"),
        ("9:40", "a secret stands here in clear (url)", "!vault"),
        ("10:11", "connection gitlab", "a mapping"),
        ("12:9", "'chatroom'", "an Apprise URL"),
        ("14:13", "'soon'", "4h"),
        ("15:14", "assurance 'sinned'", "did you mean 'signed'?"),
        ("16:3", "'quorum'", "deadline, assurance"),
        ("18:13", "'later' is no duration", "15m"),
        ("18:24", "'onkall' is nobody to tell", "a person, a group, a channel, or asked for those who may answer"),
        ("19:5", "lacks a part", "after"),
        ("20:12", "calendars is a list", "a mapping"),
        ("21:25", "OS user nl12 is", "the login of a program"),
    ]
    assert len(found) == len(expected)
    for message, (place, what, hint) in zip(found, expected, strict=True):
        assert message.startswith(f"{place}: "), message
        assert what in message
        assert hint in message
    assert "hunter" not in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 200_000,
        b"a: &a [*a]",
        b"people: {nina: }\npeople: {}",
        b"\xff\xfep\0",
        b"people: \x00",
        b"- a",
        b"people: !!python/object:os.system {}",
    ],
    ids=["nested", "cycle", "twice", "UTF-16", "NUL", "list", "tag"],
)
def test_a_hostile_file_is_a_mistake_with_a_place(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "changerail.yml"
    path.write_bytes(content)
    with pytest.raises(CheckError, match=r"changerail\.yml:\d+:\d+: "):
        load(path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sign_in: [a]", "1:10: sign_in is"),
        ("sign_in: {roles: {noc: operator}}", "1:10: sign_in lacks a part; expected proxy or openid, or both"),
        ("sign_in: {proxy: {user: X-User}, role: {}}", "sign_in has no 'role'; expected one of proxy, openid, roles"),
        ("sign_in: {proxy: {user: X-User}, roles: {noc: boss}}", "1:47: role boss: role 'boss' does not exist"),
        ("sign_in: {proxy: [a]}", "1:18: proxy is"),
        ("sign_in: {proxy: {groups: X-Groups}}", "1:18: proxy lacks a part"),
        ("sign_in: {proxy: {user: X User}}", "'x user' is no header for a name; expected one such as X-Forwarded-User"),
        ("sign_in: {proxy: {user: Cookie}}", "'cookie' is no header for a name"),
        ("sign_in: {openid: [a]}", "1:19: openid is"),
        (
            "sign_in: {openid: {issuer: 'https://a.example'}}",
            "1:19: openid lacks a part; expected issuer and client_id",
        ),
        (f"{OPENID}, secret: x}}}}", "openid has no 'secret'; expected one of issuer, client_id, client_secret"),
        (f"{OPENID}, client_secret: hunter2}}}}", "a secret stands here in clear (client_secret); expected !vault, or"),
        (f"{OPENID}, client_secret: [1]}}}}", "client_secret is"),
        (f"{OPENID}, client_secret: }}}}", "client_secret is"),
        (f"{OPENID}, scopes: [profile]}}}}", "scopes lack openid"),
        *(
            (
                f"sign_in: {{openid: {{issuer: '{issuer}', client_id: c}}}}",
                "is no issuer; expected https:// with a host",
            )
            for issuer in (
                "http://login.example.net",
                "https://",
                "login.example.net",
                "https://ann:hunter@login.example.net",
                "https://login.example.net/?a=b",
                "https://login.example.net/#a",
                "https://login.example.net:port",
                "ftp://127.0.0.1",
                "http://127.0.0.1.example.net",
            )
        ),
    ],
)
def test_mistakes_of_sign_in_have_a_place(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(CheckError) as wrong:
        load(written(tmp_path, text))
    assert said in str(wrong.value)


def test_roles_by_group_and_for_everybody(tmp_path: Path) -> None:
    text = 'sign_in: {proxy: {user: X-User}, roles: {"*": viewer, noc: [operator, "approver:neteng@edge"]}}'
    sign_in = load(written(tmp_path, text)).sign_in
    assert sign_in is not None and sign_in.proxy == Proxy("x-user") and sign_in.openid is None
    assert sign_in.grants(["sales"]) == (Grant("viewer"),)
    approver = Grant("approver", "edge", frozenset({"neteng"}))
    assert sign_in.grants(["noc"]) == (Grant("viewer"), Grant("operator"), approver)


@pytest.mark.parametrize(
    "issuer", ["https://login.example.net/realms/net", "http://127.0.0.1:8080", "http://[::1]/a", "http://localhost"]
)
def test_an_openid_provider_and_what_holds_when_it_is_not_said(tmp_path: Path, issuer: str) -> None:
    sign_in = load(written(tmp_path, f"sign_in: {{openid: {{issuer: '{issuer}', client_id: changerail}}}}")).sign_in
    assert sign_in is not None and sign_in.proxy is None
    assert sign_in.openid == OpenId(issuer, "changerail", None, "preferred_username", "groups", ("openid", "profile"))


def test_the_secret_of_an_openid_client_is_a_reference_and_masked(tmp_path: Path) -> None:
    rest = "client_secret: {env: OIDC}, user: email, groups: roles, scopes: [openid, email]"
    project = load(written(tmp_path, f"{OPENID}, {rest}}}}}"))
    assert project.sign_in is not None and project.sign_in.openid is not None
    openid = project.sign_in.openid
    assert isinstance(openid.client_secret, Reference) and openid.client_secret.source == "OIDC"
    assert (openid.user, openid.groups, openid.scopes) == ("email", "roles", ("openid", "email"))
    assert project.secrets(Resolver({"OIDC": "open sesame"})) == {"open sesame"}


def test_a_missing_or_unreadable_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(AuthorError, match="cannot be read"):
        load(tmp_path / "none.yml")
    with pytest.raises(AuthorError, match="cannot be read"):
        load(tmp_path)


@pytest.fixture
def places(tmp_path: Path) -> tuple[dict[str, str], Path]:
    """An environment with a home, and a working folder; each has a project file."""
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()
    (home / ".changerail.yml").write_text("people: {nina: }\n")
    written(work, "people: {nora: }\n")
    return {"HOME": str(home)}, work


def test_the_environment_comes_first_then_the_folder_then_the_home(
    places: tuple[dict[str, str], Path], tmp_path: Path
) -> None:
    environment, work = places
    named = tmp_path / "elsewhere.yml"
    named.write_text("")
    assert find({**environment, "CHANGERAIL_CONFIG": str(named)}, work).path == named
    assert find(environment, work).path == work / "changerail.yml"
    assert find(environment, tmp_path).path == Path(environment["HOME"], ".changerail.yml")
    assert find({"HOME": str(tmp_path)}, tmp_path).path is None


def test_a_file_in_a_folder_that_anybody_can_write_is_passed_over_with_a_warning(
    places: tuple[dict[str, str], Path],
) -> None:
    environment, work = places
    work.chmod(0o1777)
    found = find(environment, work)
    assert found.path == Path(environment["HOME"], ".changerail.yml")
    (warning,) = found.warnings
    assert f"anybody may write to {work}" in warning


def test_a_file_that_anybody_can_write_is_passed_over_too(places: tuple[dict[str, str], Path]) -> None:
    environment, work = places
    (work / "changerail.yml").chmod(0o666)
    assert find(environment, work).warnings
    with pytest.raises(AuthorError, match="anybody may write"):
        load(work / "changerail.yml")


def test_what_the_environment_names_must_be_there_and_be_trusted(places: tuple[dict[str, str], Path]) -> None:
    environment, work = places
    with pytest.raises(AuthorError, match="no such file"):
        find({**environment, "CHANGERAIL_CONFIG": str(work / "none.yml")}, work)
    work.chmod(0o777)
    with pytest.raises(AuthorError, match="anybody may write"):
        find({**environment, "CHANGERAIL_CONFIG": str(work / "changerail.yml")}, work)
