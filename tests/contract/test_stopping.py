"""docs/odoo-image.md, "Stopping and switching": what SIGTERM does to whom."""

import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from .conftest import SERVING
from .stage import Stage
from .websockets import handshake, is_open


def test_requests_in_flight_finish_and_websockets_drop(stage: Stage, copy: str) -> None:
    with stage.serve("-d", copy, *SERVING) as server, ThreadPoolExecutor(2) as clients:
        server.wait()
        server.wait("/websocket/health", port=8072)
        slow = clients.submit(server.get, "/contract/slow?s=3")
        with server.connect(8072) as websocket:
            assert handshake(websocket) == 101
            time.sleep(1)
            assert is_open(websocket)
            stopped = time.monotonic()
            server.signal("TERM")
            assert not is_open(websocket, seconds=1)
        assert slow.result().text == "slept 3"
        assert server.exit_code() == 0
        assert time.monotonic() - stopped < 15


def test_requests_still_in_the_queue_are_reset(stage: Stage, copy: str) -> None:
    with stage.serve("-d", copy, *SERVING) as server, ThreadPoolExecutor(6) as clients:
        server.wait()
        busy = [clients.submit(server.get, "/contract/slow?s=3") for _ in range(2)]
        time.sleep(1)
        queued = [clients.submit(server.get, "/contract/slow?s=0") for _ in range(3)]
        time.sleep(0.5)
        server.signal("TERM")
        assert [future.result().status for future in busy] == [200, 200]
        for future in queued:
            with pytest.raises(OSError, match="reset|closed|aborted"):
                future.result()


def test_after_the_signal_no_new_request_is_answered(stage: Stage, copy: str) -> None:
    with stage.serve("-d", copy, *SERVING) as server:
        server.wait()
        slow = threading.Thread(target=server.get, args=("/contract/slow?s=3",))
        slow.start()
        time.sleep(1)
        server.signal("TERM")
        time.sleep(1)
        with pytest.raises(OSError, match="."):
            server.get("/web/health", timeout=5)
        slow.join()


def test_a_request_over_its_time_limit_is_cut_and_the_worker_replaced(stage: Stage, copy: str) -> None:
    limits = ("--workers", "1", "--max-cron-threads", "0", "--limit-time-real", "3")
    with stage.serve("-d", copy, *limits) as server:
        server.wait()
        with pytest.raises(OSError, match="."):
            server.get("/contract/slow?s=15")
        server.wait_for_line("timeout after 3s")
        server.wait()


def test_a_worker_is_replaced_after_so_many_requests(stage: Stage, copy: str) -> None:
    limits = ("--workers", "1", "--max-cron-threads", "0", "--limit-request", "3")
    with stage.serve("-d", copy, *limits) as server:
        server.wait()
        for _ in range(4):
            server.wait()
        first, second = re.findall(r"Worker WorkerHTTP \((\d+)\) alive", server.output())[:2]
        assert first != second


def test_the_port_listens_although_the_database_does_not_load(stage: Stage) -> None:
    with stage.serve("-d", "no_such_database", *SERVING) as server:
        server.wait()
        server.wait_for_line("Failed to initialize database `no_such_database`.")


def test_the_evented_port_comes_after_the_other(stage: Stage, copy: str) -> None:
    with stage.serve("-d", copy, *SERVING) as server:
        first = server.wait()
        assert server.wait("/websocket/health", port=8072) > first


def test_a_module_that_fails_to_load_still_gives_health(stage: Stage, copy: str) -> None:
    assert stage.odoo("-d", copy, "-i", "contract_gone", "--without-demo=all", "--stop-after-init").exit_code == 0
    with stage.serve("-d", copy, *SERVING, addons="addons_next") as server:
        server.wait()
        server.wait_for_line("contract_gone")
        assert server.get("/contract/slow?s=0").status == 200


def test_a_running_server_takes_up_what_another_process_installed(stage: Stage, copy: str) -> None:
    with stage.serve("-d", copy, *SERVING) as server:
        server.wait()
        assert server.get("/contract/slow?s=0").status == 200
        assert stage.odoo("-d", copy, "-i", "contract_shelf", "--without-demo=all", "--stop-after-init").exit_code == 0
        assert server.get("/contract/slow?s=0").status == 200
        server.wait_for_line("Reloading the model registry after database signaling")
