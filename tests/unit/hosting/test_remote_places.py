"""Addresses and accounts of places: what restic gets, and what is refused."""

import shlex
from pathlib import Path

import pytest

from hosting.engines import remote
from hosting.engines.restic import Repository, Unreachable

KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n-----END OPENSSH PRIVATE KEY-----"


@pytest.mark.parametrize(
    "address",
    ["/mnt/disk", "sftp://berth@backup.example/srv", "sftp://u@h:2222//srv/x", "s3:https://s3.example:9000/bucket/x"],
)
def test_an_address_of_each_kind_is_one(address: str) -> None:
    assert remote.wrong_address(address) == ""


@pytest.mark.parametrize(
    "address",
    ["", "disk", "/mnt/../etc", "sftp://h/x", "sftp://u@-oProxyCommand=x/y z", "s3:ftp://h/b", "rclone:x", "/a\n/b"],
)
def test_others_are_none(address: str) -> None:
    assert "looks like" in remote.wrong_address(address)


@pytest.mark.parametrize(
    ("address", "account"), [("s3:https://h/b", ""), ("s3:https://h/b", "X=1"), ("sftp://u@h/x", "")]
)
def test_an_account_that_does_not_fit_is_said(address: str, account: str) -> None:
    assert remote.wrong_account(address, account)


def opened(base: str, account: str, tmp_path: Path) -> Repository:
    with remote.opened(base, "abc/v1", account=account, password="p", known_hosts=tmp_path / "known") as found:
        return found


def test_a_key_lies_on_disk_no_longer_than_it_is_used(tmp_path: Path) -> None:
    where = {"account": KEY, "password": "p", "known_hosts": tmp_path / "known"}
    with remote.opened("sftp://u@h:2222//srv", "abc/v1", **where) as found:  # type: ignore[arg-type]
        argv = shlex.split(found.options[0].removeprefix("sftp.command="))
        key = Path(argv[argv.index("-i") + 1])
        assert key.read_text() == f"{KEY}\n"
        assert key.stat().st_mode & 0o077 == 0
        assert argv[-3:] == ["u@h", "-s", "sftp"]
        assert argv[argv.index("-p") + 1] == "2222"
    assert not key.exists()
    assert found.address == "sftp://u@h:2222//srv/abc/v1"


def test_an_s3_account_goes_by_the_environment(tmp_path: Path) -> None:
    found = opened("s3:https://h/b", "AWS_ACCESS_KEY_ID=a\nAWS_SECRET_ACCESS_KEY=b=c", tmp_path)
    assert found.environment == {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b=c"}
    assert "b=c" not in repr(found)


def test_a_disk_that_is_not_mounted_is_no_place(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="mounted"):
        opened(str(tmp_path / "gone"), "", tmp_path)
