"""The platform speaks to Odoo by a configuration file: it is heeded, and the command line wins over it."""

import re
from collections.abc import Iterator

import pytest

from .serving import Server
from .stage import Stage

SETTINGS = """
[options]
db_host = {gateway}
db_port = {port}
db_user = odoo
db_password = odoo
db_name = {database}
db_maxconn = 16
dbfilter = ^{database}$
addons_path = /mnt/extra-addons
data_dir = /var/lib/odoo
admin_passwd = {database}
list_db = False
proxy_mode = True
without_demo = all
workers = 3
max_cron_threads = 0
http_port = 8069
gevent_port = 8072
limit_memory_soft = 2147483648
limit_memory_hard = 2684354560
limit_request = 8192
limit_time_cpu = 600
limit_time_real = 1200
limit_time_real_cron = 1270
server_wide_modules = base,web
logfile = /var/lib/odoo/{database}.log
"""


@pytest.fixture(scope="module")
def configured(stage: Stage, book_database: str) -> Iterator[Server]:
    name = stage.create_database("configured", book_database)
    text = SETTINGS.format(gateway=stage.gateway, port=stage.port, database=name)
    (stage.folder / "data" / "odoo.conf").write_text(text)
    with stage.serve("-c", "/var/lib/odoo/odoo.conf", connection=False) as server:
        server.wait()
        server.wait("/websocket/health", port=8072)
        yield server


def test_the_database_of_the_file_is_served(configured: Server) -> None:
    assert configured.get("/contract/slow?s=0").text == "slept 0"


def test_log_lines_go_to_the_log_file(stage: Stage, configured: Server) -> None:
    configured.get("/web/health?logged=1")
    written = (stage.folder / "data" / "configured.log").read_text()
    assert "GET /web/health?logged=1" in written
    assert "odoo.modules.loading" not in configured.output()


def test_the_file_says_how_many_workers_there_are(stage: Stage, configured: Server) -> None:
    written = (stage.folder / "data" / "configured.log").read_text()
    assert len(re.findall(r"Worker WorkerHTTP \(\d+\) alive", written)) == 3
    assert "WorkerCron" not in written


def test_databases_are_not_listed(configured: Server) -> None:
    error = configured.call("/jsonrpc", service="db", method="list", args=[])["error"]
    assert error["data"]["name"] == "odoo.exceptions.AccessDenied"


def test_the_command_line_wins(stage: Stage, configured: Server) -> None:
    arguments = ("-c", "/var/lib/odoo/odoo.conf", "-d", "none_such", "--logfile=", "--stop-after-init")
    ended = stage.odoo(*arguments)
    assert ended.exit_code == 255
    assert "Failed to initialize database `none_such`." in ended.output


def test_a_configuration_file_that_is_not_there_ends_with_2(stage: Stage) -> None:
    assert stage.odoo("-c", "/etc/odoo/none.conf", "--stop-after-init").exit_code == 2
