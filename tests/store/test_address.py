"""Addresses of stores: what they mean, and that a password is never shown."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualion.errors import StoreError
from dualion.settings import Places
from dualion.store.address import has_password, is_mongo, redacted, resolve
from dualion.store.opening import open_store
from dualion.store.sqlite import SQLiteBarrierStore


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("mongodb://h/db", "mongodb://h/db"),
        ("mongodb://ana:geheim@h:27017/db", "mongodb://h:27017/db"),
        ("mongodb://ana@h/db", "mongodb://h/db"),
        ("mongodb+srv://ana:geheim@x.mongodb.net/db?w=1", "mongodb+srv://x.mongodb.net/db"),
        ("mongodb://a:geheim@h:1,k:2/db?replicaSet=geheim", "mongodb://h:1,k:2/db"),
        ("mongodb://a:geheim@[::1]:27017/db", "mongodb://[::1]:27017/db"),
        ("mongodb://a:g@eheim@h/db", "mongodb://h/db"),
        ("mongodb://a:geheim/@h/db", "mongodb://h/db"),
        ("mongodb://a:geheim?@h/db", "mongodb://h/db"),
        ("mongodb://a:geheim", "mongodb://..."),
        ("mongodb://a:geheim/db", "mongodb://..."),
        ("MongoDB://a:geheim@h/db", "mongodb://h/db"),
        ("  mongodb://a:geheim@h/db\n", "mongodb://h/db"),
        (Path("mongodb://a:geheim@h/db"), "mongodb://h/db"),
        ("runs/barriers.sqlite", "runs/barriers.sqlite"),
        (Path("runs/b.sqlite"), "runs/b.sqlite"),
    ],
)
def test_what_is_shown_has_no_password(address, shown):
    assert redacted(address) == shown
    assert "geheim" not in redacted(address)


@given(
    password=st.text(min_size=4).filter(lambda text: text.strip() == text),
    escaped=st.booleans(),
)
def test_no_password_is_ever_shown(password, escaped):
    written = quote(password, safe="") if escaped else password
    shown = redacted(f"mongodb://ana:{written}@host.example:27017/barriers?tls=true")
    assert shown == "mongodb://host.example:27017/barriers"


def test_a_password_is_seen_where_there_is_one():
    assert has_password("mongodb://a:b@h/db")
    assert has_password(Path("mongodb://a:b@h/db"))
    for address in ("mongodb://h:1/db", "mongodb://a@h/db", "a:b@c", "@file"):
        assert not has_password(address)


def test_a_path_is_a_path_and_an_address_survives_a_path():
    assert resolve("runs/b.sqlite") == resolve(Path("runs/b.sqlite")) == Path("runs/b.sqlite")
    assert resolve("./@odd") == Path("./@odd")
    assert not is_mongo("mongodb.sqlite")
    for address in ("mongodb://a:b@h/db", Path("mongodb://a:b@h/db"), " MONGODB://a:b@h/db "):
        assert resolve(address) == "mongodb://a:b@h/db"


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "address"
    path.write_text("mongodb://ana:geheim@h/db\nsecond line\n")
    path.chmod(0o600)
    return path


def test_the_first_line_of_a_private_file_is_the_address(file, tmp_path):
    assert resolve(f"@{file}") == "mongodb://ana:geheim@h/db"
    file.write_text(f"{tmp_path}/b.sqlite")
    assert resolve(f"@{file}") == tmp_path / "b.sqlite"
    with open_store(f"@{file}") as store:
        assert isinstance(store, SQLiteBarrierStore)
        assert store.path == tmp_path / "b.sqlite"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_file_that_others_may_read_or_change_is_refused(file, mode):
    file.chmod(mode)
    with pytest.raises(StoreError, match="chmod 600") as caught:
        resolve(f"@{file}")
    assert "geheim" not in str(caught.value)


def test_a_file_of_another_user_is_refused(file, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(StoreError, match="belongs to another user"):
        resolve(f"@{file}")


def test_a_file_without_an_address_is_refused(file, tmp_path):
    for content in ("", "\n", "@other\n"):
        file.write_text(content)
        with pytest.raises(StoreError, match="holds no address"):
            resolve(f"@{file}")
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(StoreError, match="is no text"):
        resolve(f"@{file}")
    with pytest.raises(StoreError, match="no such file"):
        resolve(f"@{tmp_path}/missing")
    with pytest.raises(StoreError, match="directory"):
        resolve(f"@{tmp_path}")


def test_an_address_in_the_environment_is_not_mangled_and_not_printed(monkeypatch):
    for value in ("mongodb://ana:geheim@h/db", "@/home/ana/address"):
        monkeypatch.setenv("DUALION_STORE", value)
        assert Places().store == value
        assert "geheim" not in repr(Places())
    monkeypatch.setenv("DUALION_STORE", "some/b.sqlite")
    assert Places().store == Path("some/b.sqlite")
