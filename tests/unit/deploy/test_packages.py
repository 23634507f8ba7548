"""What is missing on a machine, and which PostgreSQL may be used."""

from pathlib import Path

import pytest

from deploy.packages import TO_RUN, missing, postgresql_bin
from deploy.progress import SetupError
from hosting.engines.postgres import Version


def test_a_program_that_is_there_is_not_wanted_again() -> None:
    lacking = missing(TO_RUN, which=lambda program: None if program in {"haproxy", "npm"} else f"/usr/bin/{program}")
    assert [need.packages for need in lacking] == [("haproxy",), ("nodejs", "npm")]


def test_every_need_says_why() -> None:
    assert all(need.why and need.packages for need in TO_RUN)


def test_the_newest_safe_postgresql_is_used() -> None:
    versions = [Version(15, 20), Version(16, 16), Version(17, 2)]
    assert postgresql_bin({}, versions) == Path("/usr/lib/postgresql/16/bin")


def test_an_unsafe_postgresql_is_refused_with_the_command() -> None:
    with pytest.raises(SetupError, match="CVE-2026-18408") as caught:
        postgresql_bin({}, [Version(15, 19)])
    assert "apt-get" in caught.value.todo


def test_an_unsafe_postgresql_can_be_allowed() -> None:
    assert postgresql_bin({"BERTH_ALLOW_OLD_POSTGRESQL": "1"}, [Version(15, 19)]) == Path("/usr/lib/postgresql/15/bin")


def test_a_machine_without_postgresql_is_told_so() -> None:
    with pytest.raises(SetupError, match="not installed"):
        postgresql_bin({"BERTH_ALLOW_OLD_POSTGRESQL": "1"}, [])
