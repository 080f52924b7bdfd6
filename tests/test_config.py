"""Connections: where each setting comes from, and one clear line for each that is wrong."""

from __future__ import annotations

import copy
import dataclasses
import pprint
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.config import (
    API_VERSION,
    ENVIRONMENT,
    SETTINGS,
    Connection,
    Key,
    connection,
    definition_folders,
)
from connector.errors import ConfigError
from connector.masking import hide_keys

SECRET = "rk_test_51HqExAmPlEkEyThAtIsLoNgEnOuGh7Zx9"
OTHER = "sk_live_51HqExAmPlEkEyThAtIsLoNgEnOuGh3Yw8"


def write(folder: Path, text: str) -> Path:
    path = folder / "connector.toml"
    path.write_text(text, encoding="utf-8")
    return path


def failing(name: str | None = None, **arguments: Any) -> str:
    """Return the message of the ConfigError that these arguments raise."""
    with pytest.raises(ConfigError) as caught:
        connection(name, **arguments)
    message = str(caught.value)
    assert "\n" not in message
    assert SECRET not in message
    return message


# Where a connection comes from


def test_a_key_in_the_environment_is_enough(tmp_path: Path) -> None:
    made = connection(environ={"STRIPE_API_KEY": SECRET}, folder=tmp_path)
    assert made == Connection(Key(SECRET))
    assert made.key.reveal() == SECRET
    assert made.version == API_VERSION == "2026-10-28.endive"
    assert (made.api_base, made.files_base) == ("https://api.stripe.com", "https://files.stripe.com")
    assert (made.account, made.max_rps, made.max_rps_per_endpoint) == (None, None, None)
    assert (made.time_zone, made.trusted_hosts) == ("UTC", ())
    assert (made.connect_seconds, made.read_seconds, made.total_seconds) == (10, 80, 300)


def test_the_process_s_own_environment_and_folder_are_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRIPE_KEY_1", SECRET)
    monkeypatch.chdir(tmp_path)
    write(tmp_path, '[connections.stripe-1]\nkey = "${STRIPE_KEY_1}"')
    assert connection("stripe-1").key == Key(SECRET)


def test_a_named_connection_says_everything(tmp_path: Path) -> None:
    write(
        tmp_path,
        """
        to = "duckdb:///stripe.duckdb"          # the rest of a run's config is not read here
        [connections.other]
        key = "${NOT_SET_AND_NOT_NEEDED}"
        [connections.stripe-1]
        key = "${KEY}"
        account = "acct_${NUMBER}"
        version = "2024-06-20"
        api_base = "http://localhost:8420/"
        max_rps = 10
        max_rps_per_endpoint = 2.5
        time_zone = "Europe/Berlin"
        trusted_hosts = ["${HOST}", "Connect.Stripe.com:443"]
        connect_seconds = 1
        read_seconds = 2
        total_seconds = 3
        """,
    )
    environ = {"KEY": SECRET, "NUMBER": "42", "HOST": "x.example:8443"}
    assert connection("stripe-1", environ=environ, folder=tmp_path) == Connection(
        key=Key(SECRET),
        account="acct_42",
        version="2024-06-20",
        api_base="http://localhost:8420",
        max_rps=10,
        max_rps_per_endpoint=2.5,
        time_zone="Europe/Berlin",
        trusted_hosts=("x.example:8443", "connect.stripe.com"),
        connect_seconds=1,
        read_seconds=2,
        total_seconds=3,
    )


def test_command_line_wins_over_table_wins_over_environment(tmp_path: Path) -> None:
    environ = {
        "STRIPE_API_KEY": "sk_test_env",
        "STRIPE_API_BASE": "https://env.example",
        "STRIPE_API_VERSION": "2020-01-01",
    }
    config = write(tmp_path, f'[connections.a]\nkey = "{SECRET}"\nversion = "2021-01-01"\ntime_zone = "Asia/Tokyo"')
    overrides = {"time_zone": "Europe/Berlin", "account": None}
    made = connection("a", environ=environ, config=config, overrides=overrides)
    assert made.key == Key(SECRET)
    assert (made.time_zone, made.version, made.api_base) == ("Europe/Berlin", "2021-01-01", "https://env.example")
    assert connection("a", environ=environ, config=config, overrides={"key": OTHER}).key == Key(OTHER)
    assert connection("a", environ=environ, config=config, overrides={"key": Key(OTHER)}).key == Key(OTHER)


def test_a_table_without_a_key_takes_that_of_the_environment_with_its_account(tmp_path: Path) -> None:
    config = write(tmp_path, "[connections.slow]\nmax_rps = 1")
    environ = {"STRIPE_API_KEY": SECRET, "STRIPE_ACCOUNT": "acct_1"}
    made = connection("slow", environ=environ, config=config)
    assert (made.key, made.account, made.max_rps) == (Key(SECRET), "acct_1", 1)


def test_the_environment_s_account_is_not_that_of_a_key_in_a_table(tmp_path: Path) -> None:
    config = write(tmp_path, f'[connections.a]\nkey = "{SECRET}"')
    assert connection("a", environ={"STRIPE_ACCOUNT": "acct_1"}, config=config).account is None
    overrides = {"account": "acct_2"}
    assert connection("a", environ={"STRIPE_ACCOUNT": "acct_1"}, config=config, overrides=overrides).account == "acct_2"


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
@pytest.mark.parametrize("beginning", ["", "\ufeff"])
def test_a_key_file_may_end_with_a_line_break_and_begin_with_a_byte_order_mark(
    tmp_path: Path, beginning: str, ending: str
) -> None:
    path = tmp_path / "key.txt"
    path.write_bytes(f"{beginning}{SECRET}{ending}".encode())
    assert connection(environ={"STRIPE_API_KEY_FILE": str(path)}).key == Key(SECRET)
    config = write(tmp_path, f"[connections.a]\nkey_file = '{path}'")
    assert connection("a", environ={"STRIPE_API_KEY": OTHER}, config=config).key == Key(SECRET)


def test_an_empty_variable_is_one_that_nobody_set() -> None:
    assert connection(environ={"STRIPE_API_KEY": SECRET, "STRIPE_ACCOUNT": ""}).account is None
    assert failing(environ={"STRIPE_API_KEY": ""}).startswith("No API key")


def test_files_go_where_the_api_is_when_that_was_set() -> None:
    base = "http://127.0.0.1:8420"
    assert connection(environ={"STRIPE_API_KEY": SECRET, "STRIPE_API_BASE": base}).files_base == base


# What is wrong, in one line


def test_without_a_key_the_ways_to_give_one_are_named() -> None:
    message = failing(environ={})
    for way in ("STRIPE_API_KEY,", "STRIPE_API_KEY_FILE", "connector.toml"):
        assert way in message


@pytest.mark.parametrize(
    ("key", "complaint"),
    [
        (f" {SECRET}", "a blank or a line break around the key"),
        (f"{SECRET}\n", "a blank or a line break around the key"),
        (f'"{SECRET}"', "quotes around the key"),
        (f"'{SECRET}'", "quotes around the key"),
        (f"Bearer {SECRET}", "has a blank, a line break or another character inside"),
        (f"{SECRET}\n{SECRET}", "has a blank, a line break or another character inside"),
        (f"{SECRET}…", "has a blank, a line break or another character inside"),
        ("pk_live_abc", "this is a publishable key (pk_…)"),
        ("whsec_abc", "this is a webhook's signing secret (whsec_…)"),
    ],
)
def test_a_key_that_cannot_be_one(key: str, complaint: str, tmp_path: Path) -> None:
    message = failing(environ={"STRIPE_API_KEY": key})
    assert message.startswith("STRIPE_API_KEY: ")
    assert complaint in message
    assert "_abc" not in message
    config = write(tmp_path, '[connections.a]\nkey = "${KEY}"')
    assert complaint in failing("a", environ={"KEY": key}, config=config)


@pytest.mark.parametrize("key", [SECRET, OTHER, "sk_org_live_x", "rk_new_kind", "mysterious", "ak_v3.x-y=z"])
def test_a_key_of_an_unknown_kind_is_taken(key: str) -> None:
    assert connection(environ={"STRIPE_API_KEY": key}).key.reveal() == key


def test_key_files_that_cannot_be_used(tmp_path: Path) -> None:
    def message(content: bytes | None) -> str:
        path = tmp_path / "key.txt"
        path.unlink(missing_ok=True)
        if content is not None:
            path.write_bytes(content)
        return failing(environ={"STRIPE_API_KEY_FILE": str(path)})

    assert message(None) == f"STRIPE_API_KEY_FILE: there is no key file {tmp_path / 'key.txt'}."
    assert message(b" \n") == f"STRIPE_API_KEY_FILE: the key file {tmp_path / 'key.txt'} is empty."
    assert "it is not UTF-8 text" in message(SECRET.encode("utf-16"))
    assert "around the key" in message(f" {SECRET}".encode())
    assert "cannot be read" in failing(environ={"STRIPE_API_KEY_FILE": str(tmp_path)})


def test_two_keys_side_by_side_are_not_chosen_between(tmp_path: Path) -> None:
    environ = {"STRIPE_API_KEY": SECRET, "STRIPE_API_KEY_FILE": "key.txt"}
    assert failing(environ=environ).startswith("STRIPE_API_KEY and STRIPE_API_KEY_FILE are both set")
    config = write(tmp_path, f'[connections.a]\nkey = "{SECRET}"\nkey_file = "key.txt"')
    assert "[connections.a] key and " in failing("a", environ={}, config=config)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ('key = "${NOT_SET}"', "key: the environment variable NOT_SET is not set."),
        ('trusted_hosts = ["${NOT_SET}"]', "trusted_hosts: the environment variable NOT_SET is not set."),
        ('key = ""', "key is empty."),
        ("key = 5", "key must be text, not int."),
        ('acount = "acct_1"', 'unknown key "acount". Did you mean account?'),
        ('colour = "red"', 'unknown key "colour". Known are account, api_base,'),
        ('account = "Acme Inc"', "account must be an account id like acct_"),
        ('version = "endive"', "version must be an API version like 2026-10-28.endive, not 'endive'."),
        ('version = "2024-01-01\\nX: y"', "version must be an API version"),
        ('api_base = "http://api.stripe.com"', "api_base must be https: over http the key could be read"),
        ('api_base = "http://127.0.0.1.evil.example"', "api_base must be https"),
        ('api_base = "api.stripe.com"', "api_base must be https://HOST or https://HOST:PORT"),
        ('api_base = "https://api.stripe.com/v1"', "without user, path or query"),
        ('api_base = "https://user:hunter2@api.stripe.com"', "without user, path or query"),
        ('api_base = "https://api.stripe.com?x=1"', "without user, path or query"),
        ('api_base = "ftp://api.stripe.com"', "without user, path or query"),
        ("max_rps = 0", "max_rps must be a number above 0, not 0."),
        ("max_rps = true", "max_rps must be a number above 0, not True."),
        ("max_rps_per_endpoint = inf", "max_rps_per_endpoint must be a number above 0, not inf."),
        ("total_seconds = nan", "total_seconds must be a number above 0, not nan."),
        ('read_seconds = "80"', "read_seconds must be a number above 0, not '80'."),
        ('time_zone = "Europe/Berln"', "there is no time zone 'Europe/Berln'. Did you mean Europe/Berlin"),
        ('time_zone = "../../etc/passwd"', "there is no time zone"),
        ('time_zone = "Europe"', "there is no time zone"),
        ('trusted_hosts = "x.example"', 'trusted_hosts must be a list of hosts, as in ["connect.stripe.com"].'),
        ('trusted_hosts = ["https://x.example/"]', "'https://x.example/' is not HOST or HOST:PORT."),
        ('trusted_hosts = ["*"]', "'*' is not HOST or HOST:PORT."),
    ],
)
def test_a_wrong_line_of_a_table_is_named_with_its_file(line: str, complaint: str, tmp_path: Path) -> None:
    key = "" if line.startswith("key") else f'key = "{SECRET}"\n'
    config = write(tmp_path, f"[connections.eu]\n{key}{line}\n")
    message = failing("eu", environ={}, config=config)
    assert message.startswith(f"{config}: [connections.eu]")
    assert complaint in message
    assert "hunter2" not in message


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (None, "there is no such file."),
        ("", 'has no connection "eu". Add a table [connections.eu].'),
        ("[connections.us]\n", 'has no connection "eu".'),
        ("[connections.asia]\n", 'has no connection "eu". It has asia.'),
        ("connections = 5", "connections must be tables"),
        ("connections.eu = 5", "connections.eu must be a table"),
        ("[connections.eu\n", "is not valid TOML: "),
    ],
)
def test_a_config_file_without_the_connection(text: str | None, complaint: str, tmp_path: Path) -> None:
    if text is not None:
        write(tmp_path, text)
    message = failing("eu", environ={"STRIPE_API_KEY": OTHER}, folder=tmp_path)
    assert message.startswith(str(tmp_path / "connector.toml"))
    assert complaint in message


def test_a_config_file_that_is_not_text(tmp_path: Path) -> None:
    (tmp_path / "connector.toml").write_bytes(b"\xff\xfe\x00")
    assert "cannot be read: it is not UTF-8 text." in failing("eu", environ={}, folder=tmp_path)


def test_the_environment_and_the_command_line_are_named_too() -> None:
    good = {"STRIPE_API_KEY": SECRET}
    assert failing(environ=good | {"STRIPE_API_BASE": "http://x.example"}).startswith("STRIPE_API_BASE must be https")
    assert failing(environ=good, overrides={"account": "me"}).startswith("account must be an account id")
    assert "Did you mean time_zone?" in failing(environ=good, overrides={"timezone": "UTC"})


@pytest.mark.parametrize(
    "base", ["http://127.0.0.1:8420", "http://localhost", "http://[::1]:1", "https://stripe.internal:8443"]
)
def test_hosts_that_may_be_spoken_to(base: str) -> None:
    assert connection(environ={"STRIPE_API_KEY": SECRET, "STRIPE_API_BASE": base}).api_base == base


# Keys


@pytest.mark.parametrize(
    ("key", "shown", "livemode"),
    [
        ("sk_test_51HqExAmPlEkEyab12", "sk_test_…ab12", False),
        ("rk_test_51HqExAmPlEkEyab12", "rk_test_…ab12", False),
        ("sk_live_51HqExAmPlEkEyab12", "sk_live_…ab12", True),
        ("rk_live_51HqExAmPlEkEyab12", "rk_live_…ab12", True),
        ("sk_test_short", "sk_test_…", False),
        ("sk_test_fifteen_signs_", "sk_test_…", False),
        ("a-new-kind-of-key-ab12", "…ab12", None),
        ("short", "…", None),
    ],
)
def test_a_key_shows_its_kind_and_at_most_four_characters(key: str, shown: str, livemode: bool | None) -> None:
    assert str(Key(key)) == f"{Key(key)}" == shown
    assert repr(Key(key)) == f"Key('{shown}')"
    assert Connection(Key(key)).livemode is livemode


def test_no_usual_way_of_looking_at_a_connection_shows_its_key() -> None:
    made = Connection(Key(SECRET))
    looks = [repr(made), str(made), f"{made}", pprint.pformat(made), repr(dataclasses.asdict(made)), repr(vars(made))]
    looks += [repr(copy.deepcopy(made)), repr([made.key]), f"{made.key}", ascii(made)]
    assert all(SECRET not in look and "7Zx9" in look for look in looks)


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        (f"Invalid API Key: {SECRET}", "Invalid API Key: rk_test_…"),
        ("sk_live_abc, whsec_abc, rk_abc and sk_org_live_abc", "sk_live_…, whsec_…, rk_… and sk_org_live_…"),
        ("key='sk_test_1'&x=_sk_test_2", "key='sk_test_…'&x=_sk_test_…"),
        ("Invalid API Key provided: sk_test_****ab12", "Invalid API Key provided: sk_test_****ab12"),
        ("task_1 disk_full risk_level sk_", "task_1 disk_full risk_level sk_"),
    ],
)
def test_whatever_looks_like_a_key_is_hidden_in_text(text: str, hidden: str) -> None:
    assert hide_keys(text) == hidden
    assert hide_keys(hidden) == hidden


@given(st.text(), st.text("abcdefXYZ0189_-.", min_size=20, max_size=40), st.text())
def test_a_key_of_any_form_is_hidden_in_any_text(before: str, secret: str, after: str) -> None:
    assert secret not in Key(secret).hide_in(before + secret + after)


def test_the_page_on_connections_names_every_setting_and_variable_and_its_example_is_valid() -> None:
    page = (Path(__file__).parent.parent / "docs" / "connections.md").read_text(encoding="utf-8")
    for word in [*SETTINGS, *ENVIRONMENT.values(), API_VERSION]:
        assert f"`{word}`" in page
    assert {field.name for field in dataclasses.fields(Connection)} == set(SETTINGS) - {"key_file"}
    example = "\n".join(line for line in page.split("## connector.toml")[1].splitlines() if line.startswith("    "))
    tables = tomllib.loads(example)["connections"]
    assert set(tables) == {"germany", "marketplace"}
    assert all(set(table) <= set(SETTINGS) for table in tables.values())


def test_the_config_names_folders_of_definitions_beside_itself(tmp_path: Path) -> None:
    (tmp_path / "my_tables").mkdir()
    config = tmp_path / "shop.toml"
    config.write_text('definitions = "my_tables"\n', encoding="utf-8")
    assert definition_folders(config=config) == [tmp_path / "my_tables"]
    assert definition_folders(folder=tmp_path) == [], "connector.toml is not there"
    for wrong, message in (('definitions = "nowhere"', "does not exist"), ("definitions = 3", "must name folders")):
        config.write_text(wrong, encoding="utf-8")
        with pytest.raises(ConfigError, match=message):
            definition_folders(config=config)


def test_a_config_that_is_nested_too_deep_is_an_error_for_people(tmp_path: Path) -> None:
    file = tmp_path / "connector.toml"
    for deep in ("[" * 100_000 + "]" * 100_000, "{a=" * 100_000 + "1" + "}" * 100_000):
        file.write_text(f"connections = {deep}", encoding="utf-8")
        with pytest.raises(ConfigError, match="nested too deep"):
            connection("main", config=file, environ={})
        with pytest.raises(ConfigError, match="nested too deep"):
            definition_folders(config=file)
