"""Archives that people bring, on the real path: refused ones change nothing, and none gets out of its container."""

import io
import re
import socket
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import requests

from tests import restores, zips
from tests.backups import ask, end
from tests.faults import killing
from tests.faults.changes import PATHS, raise_version
from tests.faults.test_stage_moves import until
from tests.holding import Moment, hold
from tests.installation import Installation
from tests.portal import Portal

pytestmark = pytest.mark.faults


@pytest.fixture(scope="module")
def genuine(installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What production's own backup looks like as a zip."""
    backup = end(installation, ask(installation))
    target = tmp_path_factory.mktemp("genuine") / "shop.zip"
    return restores.download(installation, int(backup["id"]), "zip", target).read_bytes()


@pytest.fixture
def archive(genuine: bytes, tmp_path: Path) -> Path:
    path = tmp_path / "shop.zip"
    path.write_bytes(genuine)
    return path


@pytest.fixture
def outside(installation: Installation) -> Iterator[Callable[[], Any]]:
    """What no import may change: production's rows and versions, roles, other databases, files of the machine."""
    listener = socket.create_server(("127.0.0.1", 0))

    def look() -> Any:
        roles = "SELECT rolname, rolsuper, rolcreaterole, rolconfig::text FROM pg_roles ORDER BY 1"
        databases = "SELECT datname FROM pg_database WHERE datname !~ '_r[0-9]+$' ORDER BY 1"
        rows = installation.in_production("SELECT count(*) AS n FROM res_users")
        return (
            installation.in_production(roles), installation.in_production(databases), rows, installation.versions(),
            sorted(Path("/tmp").glob("berth-canary*")),
        )  # fmt: skip

    yield look
    listener.setblocking(False)
    with pytest.raises(BlockingIOError):
        listener.accept()
    listener.close()


def with_sql(path: Path, more: str) -> Path:
    """The same archive with statements at the end of its dump."""
    content = io.BytesIO(path.read_bytes())
    with zipfile.ZipFile(content) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for entry in source.infolist():
            data = source.read(entry)
            target.writestr(entry.filename, data + f"\n{more}\n".encode() if entry.filename == "dump.sql" else data)
    return path


def with_manifest(path: Path, **values: object) -> Path:
    content = io.BytesIO(path.read_bytes())
    with zipfile.ZipFile(content) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for entry in source.infolist():
            data = source.read(entry) if entry.filename != "manifest.json" else zips.manifest(**values)
            target.writestr(entry.filename, data)
    return path


# --- refused before anything is done ----------------------------------------------------------------------------------
BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "leads_out": (lambda path: zips.add(path, "../../evil"), "leads out"),
    "absolute": (lambda path: zips.add(path, "/etc/evil"), "absolute"),
    "link": (lambda path: zips.add(path, "filestore/link", b"/etc/shadow", 0o120000), "a link"),
    "device": (lambda path: zips.add(path, "filestore/device", b"", 0o020000), "a device"),
    "twice": (lambda path: zips.add(path, "manifest.json"), "twice"),
    "bomb_by_ratio": (zips.bomb, "zip bomb"),
    "bomb_by_count": (zips.count_millions, "too many entries"),
    "cut_off": (lambda path: path.write_bytes(path.read_bytes()[:-500]), "damaged"),
    "encrypted": (lambda path: zips.patch_directory(path, "dump.sql", zips.encrypt), "encrypted"),
    "another_series": (lambda path: with_manifest(path, major_version="16.0"), "Odoo 16.0"),
    "online_series": (lambda path: with_manifest(path, major_version="saas~17.4"), "Odoo Online alone"),
    "missing_modules": (lambda path: with_manifest(path, modules={"no_such_module": "1"}), "no_such_module"),
    "no_zip": (lambda path: path.write_bytes(b"Rar!" + bytes(100)), "no zip"),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("case", BAD)
def test_a_bad_zip_is_refused_with_the_reason(
    installation: Installation, archive: Path, outside: Callable[[], Any], case: str
) -> None:
    spoil, words = BAD[case]
    before = outside()
    spoil(archive)
    row = restores.upload(installation, archive)
    assert row["result"] == "failure"
    assert words in restores.told(installation, row)
    assert outside() == before
    assert not (installation.home / "uploads" / f"u{row['id']}").exists()
    assert installation.settled() == []


# --- refused by PostgreSQL --------------------------------------------------------------------------------------------
HOSTILE = {
    "shell": "\\! touch /tmp/berth-canary",
    "copy_program": "\\copy res_users from program 'touch /tmp/berth-canary'",
    "server_program": "COPY res_users FROM PROGRAM 'touch /tmp/berth-canary';",
    "extension": "CREATE EXTENSION file_fdw;",
    "alter_role": "ALTER ROLE berth_admin PASSWORD 'x';",
    "connect": "\\connect {production}\nDROP TABLE res_users CASCADE;",
    "event_trigger": "CREATE FUNCTION e() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN END $$;\n"
    "CREATE EVENT TRIGGER e ON ddl_command_start EXECUTE FUNCTION e();",
    "another_owner": "CREATE TABLE mine (id int); ALTER TABLE mine OWNER TO berth_admin;",
    "another_database": "ALTER DATABASE {production} RENAME TO gone;",
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_dump_leaves_production_and_the_machine_alone(
    installation: Installation, archive: Path, outside: Callable[[], Any], case: str
) -> None:
    before = outside()
    (row,) = installation.in_production("SELECT current_database() AS name")
    upload = restores.upload(installation, with_sql(archive, HOSTILE[case].replace("{production}", row["name"])))
    assert upload["result"] == "success", restores.told(installation, upload)
    restore = restores.ended(installation, "builds_restore", restores.import_here(installation, upload["id"]))
    assert restore["result"] == "failure"
    assert "The archive could not be restored" in restores.told(installation, restore)
    assert installation.answer("/web/login").status == 200
    assert installation.settled() == []
    assert outside() == before


def test_a_crafted_archive_of_pg_dump_is_refused(
    installation: Installation, outside: Callable[[], Any], tmp_path: Path
) -> None:
    before = outside()
    archive = tmp_path / "shop.dump"
    archive.write_bytes(b"PGDMP\x01\x0e\x00\x04\x08\x01\x01" + b"\xff" * 4000)
    upload = restores.upload(installation, archive)
    restore = restores.ended(installation, "builds_restore", restores.import_here(installation, upload["id"]))
    assert restore["result"] == "failure"
    assert installation.settled() == []
    assert outside() == before


# --- good ones --------------------------------------------------------------------------------------------------------
def test_a_good_one_replaces_production_with_what_works_by_itself_off(
    installation: Installation, archive: Path
) -> None:
    brought = "INSERT INTO public.ir_config_parameter (key, value) VALUES ('brought', 'along');"
    brought += "\nUPDATE public.ir_cron SET active = true;"
    brought += "\nCREATE TABLE public.queue_job (id serial, state varchar, exc_info text);"
    brought += "\nINSERT INTO public.queue_job (state) VALUES ('pending'), ('done');"
    with installation.load(PATHS) as load:
        load.wait_for(20)
        upload = restores.upload(installation, with_sql(archive, brought))
        restore = restores.ended(installation, "builds_restore", restores.import_here(installation, upload["id"]))
        load.wait_for(20)
    assert restore["result"] in ("success", "warning"), restores.told(installation, restore)
    assert load.figures().failed == 0, load.figures()
    assert installation.in_production("SELECT value FROM ir_config_parameter WHERE key = 'brought'")
    assert installation.in_production("SELECT 1 FROM ir_cron WHERE active") == []
    parked = installation.query("SELECT * FROM builds_parked WHERE restore_id = %s", restore["id"])
    assert len(parked) == installation.in_production("SELECT count(*) AS n FROM ir_cron")[0]["n"] + 1  # all jobs
    jobs = installation.in_production("SELECT state FROM queue_job ORDER BY id")
    assert [job["state"] for job in jobs] == ["cancelled", "done"]
    installation.in_production("DROP TABLE queue_job")
    assert installation.settled() == []


def test_a_good_one_into_staging_is_neutralised(installation: Installation, archive: Path) -> None:
    sha = installation.push({"README.md": "staging\n"}, "Begin staging", "imported")
    installation.wait_for_build(sha)
    installation.query("UPDATE projects_branch SET stage = 'staging', instance_id = NULL WHERE name = 'imported'")
    upload = restores.upload(installation, archive, "staging")
    build = installation.build(restores.import_here(installation, upload["id"], "staging"))
    ended = installation.wait_for_build(build.commit)
    assert ended.result in ("success", "warning"), ended
    name = f"b{installation.values['BERTH_INSTALLATION']}_i{ended.instance}"
    assert re.fullmatch(r"b\w+_i\d+", name)
    assert installation.answer("/web/login", ended).status == 200


# --- killed on the way ------------------------------------------------------------------------------------------------
BROUGHT = "INSERT INTO public.ir_config_parameter (key, value) VALUES ('brought', '{}');"


@pytest.mark.parametrize("step", ["look", "compare"])
def test_a_killed_worker_harms_no_look_at_an_archive(installation: Installation, archive: Path, step: str) -> None:
    with hold(installation, step, Moment.ENDS) as held:
        begin = Thread(target=restores.upload, args=(installation, archive))
        begin.start()
        held.wait()
        installation.kill("worker")
    begin.join()
    row = restores.ended(installation, "builds_upload", restores.newest(installation, "builds_upload"))
    assert row["result"] == "success", restores.told(installation, row)


@pytest.mark.parametrize("step", ["fill_beside", "open_beside", "swap", "switch_restored"])
@pytest.mark.parametrize("moment", [Moment.MIDDLE, Moment.ENDS])
def test_a_killed_worker_harms_no_import(installation: Installation, archive: Path, step: str, moment: Moment) -> None:
    brought = f"{step}, {moment}"
    upload = restores.upload(installation, with_sql(archive, BROUGHT.format(brought)))
    with hold(installation, step, moment) as held:
        restore = restores.import_here(installation, upload["id"])
        held.wait()
        installation.kill("worker")
    row = restores.ended(installation, "builds_restore", restore)
    assert row["result"] in ("success", "warning"), restores.told(installation, row)
    (found,) = installation.in_production("SELECT value FROM ir_config_parameter WHERE key = 'brought'")
    assert found["value"] == brought
    assert installation.in_production("SELECT 1 FROM ir_cron WHERE active") == []
    parked = installation.query("SELECT count(*) AS n FROM builds_parked WHERE restore_id = %s", restore)
    assert parked[0]["n"] > 0
    for backup in installation.query("SELECT id FROM hosting_backup WHERE state <> 'done'"):
        end(installation, backup["id"])
    assert installation.settled() == []


def test_web_processes_that_are_killed_lose_no_piece_of_an_upload(installation: Installation, archive: Path) -> None:
    content, url = archive.read_bytes(), restores.pages(installation)
    half = len(content) // 2
    with Portal(installation) as portal:
        portal.page(f"{url}/import/")
        begun = portal.ask(f"{url}/import/begin/", name=archive.name, size=str(len(content)))
        at = 0
        while at < half:
            piece = content[at : min(at + restores.PIECE, half)]
            at = portal.send(f"{url}/uploads/{begun['upload']}/piece/?offset={at}", piece)["received"]
    for name in killing.WEB:
        installation.kill(name)
    until(lambda: portal_answers(installation))
    row = restores.upload(installation, archive)
    assert (row["id"], row["result"]) == (begun["upload"], "success"), restores.told(installation, row)
    assert (installation.home / "uploads" / f"u{row['id']}").read_bytes() == content


def portal_answers(installation: Installation) -> bool:
    try:
        return requests.get(installation.demo()["portal_url"], timeout=10).status_code < 500
    except requests.RequestException:
        return False


def test_of_two_imports_that_are_asked_for_at_once_one_is_told(installation: Installation, archive: Path) -> None:
    upload, slug = restores.upload(installation, archive), installation.demo()["project"]
    (last,) = installation.query("SELECT coalesce(max(id), 0) AS id FROM builds_restore")
    page = f"{restores.pages(installation)}/uploads/{upload['id']}/"
    with Portal(installation) as one, Portal(installation) as another:
        one.page(page)
        another.page(page)
        clicks = [Thread(target=p.post, args=(f"{page}import/",), kwargs={"typed": slug}) for p in (one, another)]
        for click in clicks:
            click.start()
        for click in clicks:
            click.join()
    rows = installation.query("SELECT id FROM builds_restore WHERE id > %s", last["id"])
    assert len(rows) == 1
    row = restores.ended(installation, "builds_restore", rows[0]["id"])
    assert row["result"] in ("success", "warning"), restores.told(installation, row)
    assert installation.settled() == []


def test_an_import_and_a_deploy_take_turns(installation: Installation, archive: Path) -> None:
    upload = restores.upload(installation, with_sql(archive, BROUGHT.format("before a deploy")))
    with hold(installation, "open_beside", Moment.BEGINS) as held:
        restore = restores.import_here(installation, upload["id"])
        held.wait()
        sha = raise_version(installation)
        installation.wait_for(sha, lambda _build: True)
    row = restores.ended(installation, "builds_restore", restore)
    build = installation.wait_for_build(sha)
    assert row["result"] in ("success", "warning"), restores.told(installation, row)
    assert build.result in ("success", "warning"), build
    (found,) = installation.in_production("SELECT value FROM ir_config_parameter WHERE key = 'brought'")
    assert found["value"] == "before a deploy"
    assert installation.answer("/web/login").commit == sha
