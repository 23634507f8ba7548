import io
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

from hosting.engines.docker import BuildFailed
from hosting.engines.docker.building import (
    BuildLog,
    base_images,
    build_params,
    event_text,
    is_builder,
    pack,
    with_labels,
)
from hosting.engines.docker.images import with_tag
from hosting.engines.docker.specs import LATER_WEIGHT


def test_it_asks_for_a_bounded_build_that_leaves_no_container() -> None:
    params = build_params(
        tag="berth-a1b2c3/i42:b17",
        labels={"berth.commit": "4f2c", "berth.build": "17"},
        memory_bytes=1_000_000_000,
        cpus=1.5,
        network="berth-a1b2c3-lab",
    )

    assert params == {
        "t": "berth-a1b2c3/i42:b17",
        "dockerfile": "Dockerfile.berth",
        "rm": "1",
        "forcerm": "1",
        "pull": "0",
        "memory": 1_000_000_000,
        "memswap": 1_000_000_000,
        "cpuperiod": 100_000,
        "cpuquota": 150_000,
        "cpushares": LATER_WEIGHT,
        "networkmode": "berth-a1b2c3-lab",
        "labels": '{"berth.build": "17", "berth.commit": "4f2c", "berth.finished": "yes"}',
    }


def test_it_finds_the_images_to_build_on() -> None:
    dockerfile = (
        "FROM sha256:01 AS base\nRUN echo FROM x\nfrom base\nFROM scratch\nFROM odoo:18.0\nCOPY --from=base /a /a\n"
    )

    assert base_images(dockerfile) == ["sha256:01", "odoo:18.0"]


def test_every_stage_says_whose_it_is() -> None:
    dockerfile = "FROM sha256:01 AS base\nRUN echo FROM x\n  from scratch  \nCOPY a /a"

    assert with_labels(dockerfile, {"whose": "a1b2c3", "finished": "no"}) == (
        'FROM sha256:01 AS base\nLABEL whose="a1b2c3" finished="no"\nRUN echo FROM x\n'
        '  from scratch  \nLABEL whose="a1b2c3" finished="no"\nCOPY a /a'
    )


@pytest.mark.parametrize(
    ("labels", "is_one"),
    [
        ({"berth.finished": "no"}, True),
        ({}, True),
        ({"berth.finished": "yes"}, False),
        ({"berth.finished": "no", "berth.spec": "4f2c"}, False),
    ],
)
def test_a_container_that_a_person_made_is_no_builder(labels: dict[str, str], is_one: bool) -> None:
    assert is_builder(labels) is is_one


def packed(folder: Path, dockerfile: str = "FROM scratch") -> dict[str, tarfile.TarInfo]:
    target = io.BytesIO()
    pack(folder, dockerfile, target)
    target.seek(0)
    with tarfile.open(fileobj=target) as tar:
        return {member.name: member for member in tar}


def test_a_packed_folder_tells_when_but_not_who_wrote_it(tmp_path: Path) -> None:
    (tmp_path / "addons").mkdir()
    (tmp_path / "addons" / "a.py").write_text("x = 1")
    os.utime(tmp_path / "addons" / "a.py", (1_000_000_000, 1_000_000_000))
    found = packed(tmp_path)["addons/a.py"]
    assert (found.uid, found.gid, found.uname, found.mtime, found.size) == (0, 0, "", 1_000_000_000, 5)


def test_links_stay_links_and_pipes_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "passwd").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "pipe")

    members = packed(tmp_path)

    assert set(members) == {"passwd", "Dockerfile.berth"}
    assert (members["passwd"].issym(), members["passwd"].linkname) == (True, "/etc/passwd")


def test_a_customers_dockerfile_does_not_take_the_place_of_ours(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile.berth").write_text("FROM something-else-that-is-longer")

    assert packed(tmp_path, "FROM us")["Dockerfile.berth"].size == len("FROM us")


def test_it_tells_the_command_that_failed_and_what_it_said() -> None:
    log = BuildLog()
    log.hear({"stream": "Step 2/3 : RUN pip install nosuch\n"})
    log.hear({"stream": "ERROR: No matching distribution\n"})
    message = "The command '/bin/sh -c pip install 'nosuch'' returned a non-zero code: 1"

    with pytest.raises(BuildFailed) as failed:
        log.hear({"errorDetail": {"code": 1, "message": message}, "error": message})

    assert failed.value.command == "/bin/sh -c pip install 'nosuch'"
    assert failed.value.exit_code == 1
    assert failed.value.tail == "Step 2/3 : RUN pip install nosuch\nERROR: No matching distribution\n"
    assert str(failed.value) == (
        "The image was not built: /bin/sh -c pip install 'nosuch' ended with exit code 1. "
        "The images made before are as they were; correct the cause and build again."
    )


def test_it_tells_the_engines_own_failure() -> None:
    with pytest.raises(BuildFailed, match="COPY failed: file not found") as failed:
        BuildLog().hear(
            {"errorDetail": {"message": "COPY failed: file not found"}, "error": "COPY failed: file not found"}
        )

    assert (failed.value.command, failed.value.exit_code) == ("", None)


def test_a_killed_command_is_put_down_to_memory() -> None:
    message = "The command '/bin/sh -c make' returned a non-zero code: 137"

    with pytest.raises(BuildFailed, match="was killed, probably for want of memory"):
        BuildLog().hear({"errorDetail": {"code": 137, "message": message}, "error": message})


def test_only_the_last_lines_are_kept_for_the_failure() -> None:
    log = BuildLog()
    for number in range(200):
        log.hear({"stream": f"line {number}\n"})

    with pytest.raises(BuildFailed) as failed:
        log.hear({"error": "broken"})

    assert failed.value.tail.splitlines() == [f"line {number}" for number in range(150, 200)]


def test_the_image_is_the_last_one_named() -> None:
    log = BuildLog()
    log.hear({"aux": {"ID": "sha256:01"}})
    log.hear({"aux": {"ID": "sha256:02"}})
    log.hear({"stream": "Successfully built 02\n"})

    assert log.finished() == "sha256:02"


def test_an_end_without_an_image_is_a_failure() -> None:
    with pytest.raises(BuildFailed, match="without an image"):
        BuildLog().finished()


def test_a_pull_is_told_in_one_line_per_state() -> None:
    events: list[dict[str, Any]] = [
        {"status": "Pulling from library/odoo", "id": "18.0"},
        {"status": "Downloading", "id": "a1", "progressDetail": {"current": 1, "total": 2}},
        {"status": "Pull complete", "id": "a1", "progressDetail": {}},
        {"status": "Status: Downloaded newer image"},
    ]

    assert "".join(map(event_text, events)) == (
        "18.0: Pulling from library/odoo\na1: Pull complete\nStatus: Downloaded newer image\n"
    )


@pytest.mark.parametrize(
    ("ref", "expected"),
    [
        ("odoo", "odoo:latest"),
        ("odoo:18.0", "odoo:18.0"),
        ("localhost:5000/odoo", "localhost:5000/odoo:latest"),
        ("odoo@sha256:01", "odoo@sha256:01"),
    ],
)
def test_never_are_all_tags_pulled(ref: str, expected: str) -> None:
    assert with_tag(ref) == expected
