import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hosting.engines.docker import BuildFailed, EngineError, ImageMissing, TimedOut
from tests.engine.tenants import MIB, Tenants

pytestmark = pytest.mark.engine


class Cancelled(Exception):
    pass


@pytest.fixture
def silent_registry() -> Iterator[str]:
    """The address of a server that accepts and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


def build(hosted: Tenants, context: Path, *lines: str, **changes: Any) -> str:
    values: dict[str, Any] = {
        "tag": f"berth-{hosted.docker.installation}/i42:b17",
        "labels": {"berth.build": "17", "berth.commit": "4f2c"},
        "memory_bytes": 64 * MIB,
        "cpus": 1,
        "network": "none",
        "timeout": 120,
    }
    dockerfile = "\n".join((f"FROM {hosted.image_id}", *lines))
    return hosted.docker.build(context, dockerfile, **{**values, **changes})


def containers_of_builds(hosted: Tenants) -> list[str]:
    """Names of containers that the builder made: the only ones without our fingerprint."""
    return [state.name for state in hosted.docker.list() if "berth.spec" not in state.labels]


def test_an_image_is_built_from_a_folder(hosted: Tenants, tmp_path: Path) -> None:
    (tmp_path / "addons").mkdir()
    (tmp_path / "addons" / "hello").write_text("world")
    said: list[str] = []
    image_id = build(
        hosted, tmp_path, "COPY addons /mnt/extra-addons", "RUN cat /mnt/extra-addons/hello", output=said.append
    )
    image = hosted.docker.image(f"berth-{hosted.docker.installation}/i42:b17")

    assert "world" in "".join(said)
    assert image is not None
    assert image.id == image_id
    assert image.labels["berth.commit"] == "4f2c"
    assert image in hosted.docker.images({"berth.build": "17"})
    assert hosted.docker.run_once(hosted.spec("cat", "/mnt/extra-addons/hello", image_id=image_id), timeout=20) == 0


def test_what_a_build_has_come_to_is_no_image_yet(hosted: Tenants, tmp_path: Path) -> None:
    """The clean-up, which removes images that nobody uses, would take it away from under the build."""

    def unnamed() -> set[str]:
        return set(hosted.docker.api.images(quiet=True, filters={"dangling": True}))

    def look(_said: str) -> None:
        layers.update(unnamed() - before)
        listed.update(image.id for image in hosted.docker.images())

    before = unnamed()
    layers: set[str] = set()
    listed: set[str] = set()
    steps = (f"RUN echo {time.time()} > /one", "RUN sleep 1", "RUN echo 3 > /three")
    own = f"berth-{hosted.docker.installation}/i42:own"  # a name that another image has would leave that one without
    made = build(hosted, tmp_path, *steps, tag=own, output=look)
    assert layers
    assert listed & layers <= {made}
    assert made in {image.id for image in hosted.docker.images()}


def test_unchanged_steps_come_from_the_cache(hosted: Tenants, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("same")
    said: list[str] = []
    first = build(hosted, tmp_path, "COPY file /file", "RUN cat /file")
    (tmp_path / "file").write_text("same")

    assert build(hosted, tmp_path, "COPY file /file", "RUN cat /file", output=said.append) == first
    assert "Using cache" in "".join(said)


def test_a_failing_command_is_told_with_its_exit_code_and_output(hosted: Tenants, tmp_path: Path) -> None:
    with pytest.raises(BuildFailed, match="exit code 7") as failed:
        build(hosted, tmp_path, "RUN echo no such distribution; exit 7")

    assert (failed.value.command, failed.value.exit_code) == ("/bin/sh -c echo no such distribution; exit 7", 7)
    assert "no such distribution" in failed.value.tail
    assert containers_of_builds(hosted) == []


def test_a_broken_dockerfile_is_a_failed_build_too(hosted: Tenants, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="unknown instruction: NONSENSE"):
        build(hosted, tmp_path, "NONSENSE")


def test_a_base_image_that_is_missing_is_named(hosted: Tenants, tmp_path: Path) -> None:
    with pytest.raises(ImageMissing, match="sha256:0000"):
        hosted.docker.build(
            tmp_path,
            f"FROM sha256:{'0' * 64}",
            tag="berth-x/y:1",
            labels={},
            memory_bytes=MIB * 64,
            cpus=1,
            network="none",
            timeout=60,
        )


def test_a_command_that_wants_too_much_memory_is_killed(hosted: Tenants, tmp_path: Path) -> None:
    with pytest.raises(BuildFailed, match="want of memory"):
        build(hosted, tmp_path, "RUN x=0123456789; while true; do x=$x$x; done")


def test_a_build_that_takes_too_long_is_stopped_and_leaves_no_image(hosted: Tenants, tmp_path: Path) -> None:
    tag = f"berth-{hosted.docker.installation}/i42:late"
    with pytest.raises(TimedOut, match=f"Building image {tag} took over 2 s"):
        build(hosted, tmp_path, "RUN echo begun; sleep 300", tag=tag, timeout=2)

    assert hosted.docker.image(tag) is None
    until = time.monotonic() + 15
    while containers_of_builds(hosted) and time.monotonic() < until:
        time.sleep(0.2)
    assert containers_of_builds(hosted) == []


def test_a_build_is_cancelled_within_a_second(hosted: Tenants, tmp_path: Path) -> None:
    said, cancelled_at = "", 0.0

    def output(text: str) -> None:
        nonlocal said
        said += text

    def keep_going() -> None:
        nonlocal cancelled_at
        if "begun" in said:
            cancelled_at = time.monotonic()
            raise Cancelled

    with pytest.raises(Cancelled):
        build(hosted, tmp_path, "RUN echo begun; sleep 300", output=output, keep_going=keep_going)

    assert time.monotonic() - cancelled_at < 1
    until = time.monotonic() + 15
    while containers_of_builds(hosted) and time.monotonic() < until:
        time.sleep(0.2)
    assert containers_of_builds(hosted) == []


def test_a_build_without_network_reaches_none(hosted: Tenants, tmp_path: Path) -> None:
    said: list[str] = []
    build(hosted, tmp_path, "RUN ls /sys/class/net", output=said.append)

    assert "eth0" not in "".join(said)


def test_a_build_in_a_network_gets_an_address_that_nobody_allots(hosted: Tenants, tmp_path: Path) -> None:
    said: list[str] = []
    build(hosted, tmp_path, "RUN busybox ip -4 addr show eth0", network=hosted.network(hosted.lab), output=said.append)
    numbers = [int(word.split("/")[0].split(".")[3]) for word in "".join(said).split() if word.endswith("/25")]

    assert len(numbers) == 1
    assert numbers[0] >= 248


def test_removing_an_image_takes_all_its_tags(hosted: Tenants, tmp_path: Path) -> None:
    first = build(hosted, tmp_path, "RUN echo remove", tag=f"berth-{hosted.docker.installation}/i44:b1")
    assert build(hosted, tmp_path, "RUN echo remove", tag=f"berth-{hosted.docker.installation}/i44:b2") == first

    hosted.docker.remove_image(first)
    hosted.docker.remove_image(first)

    assert hosted.docker.image(f"berth-{hosted.docker.installation}/i44:b1") is None
    assert hosted.docker.image(first) is None


def test_an_image_in_use_is_kept(hosted: Tenants, tmp_path: Path) -> None:
    image_id = build(hosted, tmp_path, "RUN echo keep", tag=f"berth-{hosted.docker.installation}/i45:b1")
    spec = hosted.spec(image_id=image_id)
    hosted.docker.ensure_running(spec)
    hosted.docker.stop(spec.name, 1)

    with pytest.raises(EngineError, match="in use by a container and was kept"):
        hosted.docker.remove_image(image_id)

    hosted.docker.remove(spec.name)
    hosted.docker.remove_image(image_id)


def test_what_failed_builds_left_is_removed_when_it_is_old(hosted: Tenants, tmp_path: Path) -> None:
    with pytest.raises(BuildFailed):
        build(hosted, tmp_path, "RUN echo prune > /file", "RUN exit 1")
    orphan = hosted.docker.api.create_container(hosted.image_id, ["sleep", "1"])["Id"]  # as an engine leaves that dies
    keep = hosted.docker.ensure_running(hosted.spec())
    finished = build(hosted, tmp_path, "RUN echo finished")
    by_hand = hosted.docker.api.create_container(finished, ["sleep", "1"])["Id"]

    assert hosted.docker.prune_builds(older_than_s=3600) == []
    time.sleep(1.1)
    removed = hosted.docker.prune_builds(older_than_s=1)

    assert [line.split()[0] for line in removed[:2]] == ["container", "layer"]
    assert hosted.docker.inspect(orphan) is None
    assert hosted.docker.inspect(by_hand) is not None
    hosted.docker.remove(by_hand)
    assert hosted.docker.require(keep.name) == keep
    hosted.docker.remove(keep.name)


def test_a_registry_that_does_not_answer_is_given_up(hosted: Tenants, silent_registry: str) -> None:
    started = time.monotonic()
    with pytest.raises(TimedOut, match="took over 2 s and was stopped"):
        hosted.docker.pull(f"{silent_registry}/odoo:18.0", timeout=2)

    assert time.monotonic() - started < 4


def test_a_registry_that_refuses_is_told(hosted: Tenants) -> None:
    with pytest.raises(EngineError, match="connection refused"):
        hosted.docker.pull("127.0.0.1:1/odoo:18.0", timeout=20)


def test_a_further_name_keeps_an_image_that_lost_its_own(hosted: Tenants, tmp_path: Path) -> None:
    own, further = (f"berth-{hosted.docker.installation}/odoo:{tag}" for tag in ("18.0", "18.0-r1"))
    image_id = build(hosted, tmp_path, "RUN echo named", tag=own)
    hosted.docker.tag(image_id, further)
    hosted.docker.untag(own)
    hosted.docker.untag(own)  # is no error

    kept = hosted.docker.image(further)
    assert kept is not None
    assert (kept.id, kept.tags) == (image_id, (further,))
    hosted.docker.untag(further)
    assert hosted.docker.image(image_id) is None
    with pytest.raises(ImageMissing):
        hosted.docker.tag(image_id, further)


def test_an_image_that_another_is_made_of_outlives_its_last_name(hosted: Tenants, tmp_path: Path) -> None:
    own = f"berth-{hosted.docker.installation}/odoo:18.0-r2"
    image_id = build(hosted, tmp_path, "RUN echo below", tag=own)
    above = hosted.docker.build(
        tmp_path,
        f"FROM {image_id}\nRUN echo above",
        tag=f"berth-{hosted.docker.installation}/i42:above",
        labels={},
        memory_bytes=64 * MIB,
        cpus=1,
        network="none",
        timeout=120,
    )
    hosted.docker.untag(own)
    assert hosted.docker.image(above) is not None
    assert hosted.docker.image(own) is None
