"""What is said of an engine that Berth found running."""

from deploy.engine import unhandy

GOOD = {"LiveRestoreEnabled": True, "Swarm": {"LocalNodeState": "inactive"}, "Driver": "overlay2", "MemoryLimit": True}


def test_a_good_engine_needs_no_word() -> None:
    assert unhandy(GOOD) == []


def test_an_engine_that_stops_databases_when_it_restarts_is_named_with_the_setting() -> None:
    (said,) = unhandy(GOOD | {"LiveRestoreEnabled": False})
    assert '{"live-restore": true}' in said


def test_an_engine_without_memory_limits_is_named() -> None:
    (said,) = unhandy(GOOD | {"MemoryLimit": False})
    assert "memory" in said
