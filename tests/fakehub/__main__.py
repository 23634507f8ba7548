"""`python -m tests.fakehub --port 8010 --root DIR [--seed demo]`: the stand-in in the foreground.

What a script needs to use it (addresses, OAuth client, tokens) is written to `DIR/access.json`, readable by its owner.
The OAuth client is the installation's: BERTH_GITHUB_CLIENT_ID (as the portal, `berth` where it isn't set) and
BERTH_GITHUB_CLIENT_SECRET, from the environment or from $BERTH_HOME/.env; without a secret it is a random one, kept.
"""

import argparse
import json
import os
from pathlib import Path

from portal import environment
from tests.fakehub import seed, ssh
from tests.fakehub.hub import Hub
from tests.fakehub.server import listen, make_server

CLIENT = {"ID": "berth", "SECRET": ""}  # the portal's own defaults


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fakehub", description="A local stand-in for GitHub.")
    parser.add_argument("--port", type=int, default=8010)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on; anybody may sign in as anyone here")
    parser.add_argument("--url", help="address under which it is reached (default: http://HOST:PORT)")
    parser.add_argument("--root", type=Path, required=True, help="folder for repositories and state")
    parser.add_argument("--seed", choices=["demo"], help="make the demo's accounts and repository, where missing")
    options = parser.parse_args()
    options.root.mkdir(parents=True, exist_ok=True, mode=0o700)
    with listen(options.host, options.port) as listening:
        port = listening.getsockname()[1]
        environment.load(Path(os.environ.get("BERTH_HOME", options.root)) / ".env")
        client = [environment.text(f"BERTH_GITHUB_CLIENT_{part}", default) for part, default in CLIENT.items()]
        hub = Hub(options.root, options.url or f"http://{options.host}:{port}", *client)
        access = seed.demo(hub) if options.seed else seed.access(hub)
        _write_private(options.root / "access.json", json.dumps(access, indent=2) + "\n")
        print(f"GitHub stand-in at {hub.url}; see {options.root / 'access.json'}", flush=True)
        try:
            with ssh.serving(hub):
                make_server(hub).run([listening])
        finally:
            hub.close()


def _write_private(path: Path, text: str) -> None:
    """Replace a file as a whole, readable by its owner alone."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_text(text)
    draft.replace(path)


if __name__ == "__main__":
    main()
