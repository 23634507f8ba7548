"""Git over SSH: fetched with a deploy key, which opens its one repository and no shell.

https://docs.github.com/en/authentication/connecting-to-github-with-ssh/managing-deploy-keys
"""

import asyncio
import contextlib
import shlex
import subprocess
import threading
from collections.abc import Iterator
from typing import Any

import asyncssh

from tests.fakehub import git
from tests.fakehub.hub import Hub
from tests.fakehub.store import DeployKey

HOST = "127.0.0.1"
START_S = 10
asyncssh.set_log_level("WARNING")


class _Door(asyncssh.SSHServer):
    """Lets in who has a key that is installed somewhere."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn

    def begin_auth(self, _username: str) -> bool:
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        material = " ".join(key.export_public_key("openssh").decode().split()[:2])
        row = self._hub.store.first(DeployKey, "key = ?", material)
        self._connection.set_extra_info(deploy_key=row)
        return username == "git" and row is not None


async def _serve(hub: Hub, process: "asyncssh.SSHServerProcess[bytes]") -> None:
    row: DeployKey = process.get_extra_info("deploy_key")
    program, _space, rest = (process.command or "").partition(" ")
    words = shlex.split(rest)
    owner, _slash, name = (words[-1] if words else "").strip("/").removesuffix(".git").partition("/")
    repository = hub.repository(owner, name) or hub.moved_to(owner, name)
    if program != "git-upload-pack" or repository is None or repository.id != row.repository_id:
        process.stderr.write(b"ERROR: Repository not found.\n")
        process.exit(1)
        return
    running = await asyncio.create_subprocess_exec(
        *("git", "upload-pack", "--strict", str(hub.path(repository.id))),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=git.environment(),
    )  # fmt: skip
    asking = asyncio.create_task(_pump(process.stdin, running.stdin))
    await _pump(running.stdout, process.stdout)
    asking.cancel()
    process.exit(await running.wait())


async def _pump(source: Any, sink: Any) -> None:
    """Pass on what comes, until the source's end or the sink's."""
    with contextlib.suppress(ConnectionError, asyncssh.Error):
        while piece := await source.read(65536):
            sink.write(piece)
            await sink.drain()


def _host_key(hub: Hub) -> asyncssh.SSHKey:
    made = asyncssh.generate_private_key("ssh-ed25519").export_private_key().decode()
    return asyncssh.import_private_key(hub.store.setting("ssh_host_key", made))


async def _listen(hub: Hub) -> asyncssh.SSHAcceptor:
    """On the port of the last start, or where that is taken on a free one."""

    async def listen(port: int) -> asyncssh.SSHAcceptor:
        return await asyncssh.listen(
            HOST, port,
            server_host_keys=[_host_key(hub)], server_factory=lambda: _Door(hub),
            process_factory=lambda process: _serve(hub, process), encoding=None,
            gss_host=None, allow_pty=False, agent_forwarding=False,
        )  # fmt: skip

    try:
        return await listen(int(hub.store.setting("ssh_port", "0")))
    except OSError:
        return await listen(0)


@contextlib.contextmanager
def serving(hub: Hub) -> Iterator[None]:
    """Git over SSH for as long as the block runs; the hub knows the port."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="fakehub-ssh", daemon=True)
    thread.start()
    acceptor = asyncio.run_coroutine_threadsafe(_listen(hub), loop).result(START_S)
    hub.ssh_port = acceptor.get_port()
    hub.store.execute("update setting set value = ? where name = 'ssh_port'", str(hub.ssh_port))
    try:
        yield
    finally:
        asyncio.run_coroutine_threadsafe(_stop(acceptor), loop).result(START_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(START_S)
        loop.close()


async def _stop(acceptor: asyncssh.SSHAcceptor) -> None:
    acceptor.close()
    await acceptor.wait_closed()
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
