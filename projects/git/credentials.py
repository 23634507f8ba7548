"""A provider's token, as Git wants it."""

import base64

from projects.git.names import Address


def authorization(address: Address, token: str | None) -> dict[str, str]:
    """The header that GitHub's tokens want, for this server only."""
    if not token:
        return {}
    return {f"http.{address.origin}.extraHeader": f"Authorization: Basic {_basic(token)}"}


def secrets(token: str | None) -> list[str]:
    """What no log may show."""
    return [token, _basic(token)] if token else []


def _basic(token: str) -> str:
    return base64.b64encode(f"x-access-token:{token}".encode()).decode()
