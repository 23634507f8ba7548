"""docs/odoo-image.md, "Image layout": what lies where."""

import json

from portal.commands import run

from .stage import ODOO_UID, Stage


def test_odoo_runs_as_its_own_user(stage: Stage) -> None:
    assert stage.program("id", "-u").output.strip() == str(ODOO_UID)
    assert stage.program("id", "-un").output.strip() == "odoo"


def test_odoo_is_on_the_path(stage: Stage) -> None:
    assert stage.program("sh", "-c", "command -v odoo").exit_code == 0


def test_configuration_and_data_are_where_the_platform_mounts_over(stage: Stage) -> None:
    assert "[options]" in stage.program("cat", "/etc/odoo/odoo.conf").output
    assert stage.program("sh", "-c", "test -d /mnt/extra-addons -a -w /var/lib/odoo").exit_code == 0


def test_pip_installs_for_all_of_the_image(stage: Stage) -> None:
    assert stage.program("pip3", "--version").exit_code == 0
    assert stage.program("printenv", "PIP_BREAK_SYSTEM_PACKAGES").output.strip() == "1"


def test_the_client_programs_of_postgresql_are_there(stage: Stage) -> None:
    for program in ("psql", "pg_dump", "pg_restore"):
        assert stage.program(program, "--version").exit_code == 0


def test_both_ports_are_declared(image: str) -> None:
    form = "{{json .Config.ExposedPorts}}"
    ports = json.loads(run(["docker", "image", "inspect", "--format", form, image], timeout=60).output)
    assert {"8069/tcp", "8072/tcp"} <= set(ports)


def test_the_entrypoint_takes_the_database_server_from_the_environment(stage: Stage, copy: str) -> None:
    server = {"HOST": stage.gateway, "PORT": str(stage.port), "USER": "odoo", "PASSWORD": "odoo"}
    variables = [word for key, value in server.items() for word in ("-e", f"{key}={value}")]
    argv = ["docker", "run", "--rm", "--init", "--network", stage.name, *variables, stage.image]
    ended = run([*argv, "odoo", "-d", copy, "--no-http", "--stop-after-init"], timeout=120)
    assert f"odoo@{stage.gateway}:{stage.port}" in ended.output
