"""The command line: what it does, and one clear line when it does not."""

from __future__ import annotations

import json
import stat

import pytest
from sqlalchemy import select, text

from appliance import cli
from appliance.addresses import Address, bound_socket
from appliance.errors import UsageProblem
from appliance.installation import Installation
from appliance.synthetic import fill
from smbcore.state.engine import writing
from smbcore.state.schema import audit, setup_code
from tests.appliance.support import START


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """Run `holdfast ARGUMENTS --data DIR` and return (status, output, errors)."""

    def call(*arguments: str, data=tmp_path / "d"):
        monkeypatch.setattr("sys.argv", ["holdfast", *arguments, "--data", str(data)])
        status = 0
        try:
            cli.main()
        except SystemExit as ending:
            status = int(ending.code or 0)
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return call


@pytest.fixture
def password_file(tmp_path):
    path = tmp_path / "password"
    path.write_text("correct horse battery\n")
    return str(path)


def test_init_is_private_and_may_be_repeated(run, tmp_path):
    assert run("init")[0] == 0
    key = (tmp_path / "d" / "secret.key").read_text()
    assert run("init")[0] == 0
    assert (tmp_path / "d" / "secret.key").read_text() == key
    assert stat.S_IMODE((tmp_path / "d").stat().st_mode) == 0o700


def test_users_come_and_go(run, password_file):
    run("init")
    status, output, _ = run("user", "add", "anna", "--full-name", "Anna", "--password-file", password_file)
    assert (status, output) == (0, "Added user anna.\n")
    assert [item["name"] for item in json.loads(run("user", "list", "--json")[1])] == ["anna"]
    assert run("user", "disable", "anna")[0] == 0
    assert json.loads(run("user", "list", "--json")[1])[0]["enabled"] is False
    assert run("user", "password", "anna", "--password-file", password_file)[0] == 0
    assert run("user", "remove", "anna")[0] == 0
    assert json.loads(run("user", "list", "--json")[1]) == []


def test_users_are_told_to_sign_and_encrypt(run, password_file):
    run("init")
    # 1 when they are added
    run("user", "add", "anna", "--require-encryption", "--password-file", password_file)
    run("user", "add", "bert", "--password-file", password_file)
    demands = [(item["signing_required"], item["encryption_required"]) for item in listed(run)]
    assert demands == [(False, True), (False, False)]
    # 2 and later, each by itself
    status, output, _ = run("user", "protect", "anna", "--require-signing")
    assert (status, output) == (0, "User anna must sign and encrypt, from the next sign-in on.\n")
    status, output, _ = run("user", "protect", "anna", "--no-require-signing", "--no-require-encryption")
    assert (status, output) == (0, "User anna must neither sign nor encrypt, from the next sign-in on.\n")
    run("user", "protect", "bert", "--require-signing")
    demands = [(item["signing_required"], item["encryption_required"]) for item in listed(run)]
    assert demands == [(False, False), (True, False)]
    # 3 the table shows it
    header, _, bert = run("user", "list")[1].splitlines()[:3]
    assert "MUST" in header
    assert "sign" in bert.split()
    # 4 a command that says nothing is a mistake
    status, _, errors = run("user", "protect", "bert")
    assert status == 2
    assert "nothing to change" in errors


def listed(run):
    return json.loads(run("user", "list", "--json")[1])


def test_groups_and_shares(run, password_file, tmp_path):
    run("init", "--admin", "boss", "--password-file", password_file)
    run("group", "add", "staff", "--member", "boss")
    assert run("group", "leave", "staff", "boss")[0] == 0
    assert run("group", "join", "staff", "boss")[0] == 0
    status, _, _ = run(
        "share", "add", "docs", "--path", str(tmp_path / "docs"), "--create", "--allow", "group:staff=full"
    )
    assert status == 0
    share = json.loads(run("share", "list", "--json")[1])[0]
    assert share["access"] == {"group:staff": "full"}
    assert run("share", "remove", "docs")[1] == "Removed share docs; its files stay on disk.\n"
    assert (tmp_path / "docs").is_dir()


def test_deeds_are_recorded(run, tmp_path):
    run("init")
    run("group", "add", "staff")
    engine = Installation.at(tmp_path / "d").open_database()
    with engine.connect() as connection:
        actor, action = connection.execute(select(audit.c.actor, audit.c.action)).one()
    engine.dispose()
    assert actor.startswith("command line (")
    assert action == "group.create"


@pytest.mark.parametrize(
    ("arguments", "status", "line"),
    [
        (("user", "remove", "nobody"), 2, "there is no user 'nobody'"),
        (("share", "add", "docs", "--path", "/nowhere"), 2, "There is no folder /nowhere on the server."),
        (("share", "add", "docs", "--path", "/tmp", "--allow", "everyone"), 2, "write WHO=LEVEL"),
        (("user", "add", "anna", "--password-file", "/nowhere"), 2, "cannot read the password"),
        (("serve", "--web", "somewhere"), 2, "is not an address"),
        (("serve", "--smb", "192.0.2.1:0"), 1, "cannot listen on 192.0.2.1:0"),
    ],
)
def test_refusals_are_one_line(run, arguments, status, line):
    run("init")
    found, _, errors = run(*arguments)
    assert found == status
    assert errors.count("\n") == 1
    assert errors.startswith("holdfast: ")
    assert line in errors
    assert "Traceback" not in errors


def test_a_taken_port_is_told_with_who_has_it(run):
    run("init")
    with bound_socket(Address("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        status, _, errors = run("serve", "--smb", f"127.0.0.1:{port}")
    assert status == 1
    assert f"port {port} is taken by another program" in errors
    assert "pid" in errors


def test_an_uninitialised_directory_says_what_to_do(run, tmp_path):
    status, _, errors = run("user", "list", data=tmp_path / "nothing")
    assert (status, errors.endswith("run `holdfast init` first\n")) == (1, True)


def test_a_newer_database_is_refused(run, tmp_path):
    run("init")
    engine = Installation.at(tmp_path / "d").open_database()
    with writing(engine) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    status, _, errors = run("user", "list")
    assert status == 1
    assert "schema version 9999" in errors
    assert errors.count("\n") == 1


def test_an_unreachable_database_is_told_without_its_password(run):
    run("init")
    with bound_socket(Address("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    url = f"postgresql://nas:very-secret@127.0.0.1:{port}/nas"
    status, _, errors = run("user", "list", "--database-url", url)
    assert status == 1
    assert errors.startswith("holdfast: cannot use the database postgresql://nas:***@")
    assert "very-secret" not in errors
    assert errors.count("\n") == 1


def test_a_damaged_key_file_is_told(run, tmp_path):
    run("init")
    (tmp_path / "d" / "secret.key").write_text("rubbish")
    status, _, errors = run("user", "list")
    assert status == 1
    assert "is damaged" in errors


def test_the_setup_link_is_for_servers_without_administrator(run, password_file, tmp_path):
    run("init")
    status, output, _ = run("setup-url", "--web", "192.0.2.1:8443")
    assert status == 0
    assert output.startswith("http://192.0.2.1:8443/setup?code=")
    engine = Installation.at(tmp_path / "d").open_database()
    with engine.connect() as connection:
        assert output.rpartition("=")[2].strip() not in str(connection.execute(select(setup_code)).all())
    engine.dispose()
    run("user", "add", "boss", "--administrator", "--password-file", password_file)
    assert run("setup-url")[0] == 2


def test_status_prints_tables_and_json(run, tmp_path):
    run("init")
    assert "No locked files" in run("status")[1]
    installation = Installation.at(tmp_path / "d")
    engine = installation.open_database()
    fill(engine, installation.load_key(), tmp_path / "folders", START)
    engine.dispose()
    output = run("status")[1]
    assert "Locked files:" in output
    assert "LEASE(RWH)" in output
    assert "DENY_WRITE" in output
    found = json.loads(run("status", "--json")[1])
    assert len(found["sessions"]) == 8


@pytest.mark.parametrize(
    ("typed", "host", "port"),
    [
        ("4450", "127.0.0.1", 4450),
        (":4450", "127.0.0.1", 4450),
        ("0.0.0.0:445", "0.0.0.0", 445),
        ("[::1]:80", "::1", 80),
        ("nas:1", "nas", 1),
    ],
)
def test_addresses_are_read(typed, host, port):
    assert Address.parse(typed) == Address(host, port)


@pytest.mark.parametrize("typed", ["", "nas", "nas:", "nas:x", "nas:70000", "::1:80", "nas:-1"])
def test_other_texts_are_no_addresses(typed):
    with pytest.raises(UsageProblem):
        Address.parse(typed)
