"""What pip's words mean."""

import pytest

from builds import piplog
from builds.image import passes
from hosting.engines.docker import BuildFailed, EngineError, EngineUnreachable

AWAY = """WARNING: Retrying (Retry(total=0, connect=None)) after connection broken by 'NewConnectionError(
'<pip._vendor.urllib3...>: Failed to establish a new connection: [Errno -3] Temporary failure in name resolution')'
ERROR: Could not find a version that satisfies the requirement reportlab==4.2 (from versions: none)
ERROR: No matching distribution found for reportlab==4.2
"""
NO_SUCH = """ERROR: Could not find a version that satisfies the requirement reportlab==99 (from versions: 3.6, 4.0)
ERROR: No matching distribution found for reportlab==99
"""


@pytest.mark.parametrize(
    "words",
    [
        AWAY,
        "ReadTimeoutError: HTTPSConnectionPool(host='index.example.org', port=443): Read timed out.",
        "ConnectionResetError: [Errno 104] Connection reset by peer",
        "ERROR: HTTP error 503 while getting https://example.org/x.whl",
        "OSError: [Errno 32] Broken pipe",
    ],
)
def test_a_network_that_fails_is_told_from_a_package_that_is_not_there(words: str) -> None:
    assert piplog.network_failed(words)
    assert not piplog.network_failed(NO_SUCH)
    assert passes(BuildFailed("failed", tail=words))
    assert not passes(BuildFailed("failed", tail=NO_SUCH))


def test_a_404_of_an_index_does_not_pass() -> None:
    assert not piplog.network_failed("ERROR: HTTP error 404 while getting https://example.org/x-500.whl")


def test_the_requirement_is_named() -> None:
    assert piplog.refused(NO_SUCH) == "reportlab==99"
    assert piplog.refused("ERROR: Invalid requirement: 'a b c': Expected end") == "a b c"
    assert piplog.refused("ERROR: Failed building wheel for lxml") == "lxml"
    assert piplog.refused("all went well") == ""


def test_an_engine_that_is_away_for_a_moment_is_asked_again_and_one_that_refuses_is_not() -> None:
    assert passes(EngineUnreachable("gave no answer"))
    assert not passes(EngineError("refused"))
