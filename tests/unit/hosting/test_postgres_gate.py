import pytest

from hosting.engines.postgres import ServerTooOld, Version, gate


@pytest.mark.parametrize("version", [Version(15, 20), Version(16, 16), Version(17, 12), Version(18, 7), Version(19, 0)])
def test_it_accepts_releases_with_the_fixes(version: Version) -> None:
    gate(version)


@pytest.mark.parametrize(
    "version", [Version(15, 19), Version(16, 15), Version(17, 11), Version(18, 6), Version(14, 99)]
)
def test_it_refuses_releases_without_the_fixes_and_says_which_have_them(version: Version) -> None:
    with pytest.raises(ServerTooOld, match=rf"PostgreSQL {version} .*15\.20, 16\.16, 17\.12, 18\.7"):
        gate(version)
