"""One connection to one engine, and the translation of its errors."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self

import docker
import requests
from docker.errors import APIError, DockerException, NotFound, create_api_error_from_http_exception

from hosting.engines.docker.errors import EngineError, EngineUnreachable
from hosting.engines.docker.states import HostInfo, host_info

REQUEST_TIMEOUT = 60


class Connection:
    """An engine at `url` (unix:///path); all that is made is labelled with `installation`.

    The API version is fixed: the one of the oldest engine that Berth supports (20.10).
    """

    def __init__(self, url: str, installation: str, api_version: str = "1.41") -> None:
        self.url, self.installation, self.api_version = url, installation, api_version
        self.api = docker.APIClient(base_url=url, version=api_version, timeout=REQUEST_TIMEOUT)
        self.api.trust_env = False  # A proxy of the environment must not get between us and the engine.

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.api.close()

    def ping(self) -> None:
        """Raises EngineUnreachable."""
        with self.asking("ask whether the engine is there"):
            self.api.ping()

    def version(self) -> str:
        """The engine's version, such as 20.10.24. Raises EngineUnreachable."""
        return self.info().version

    def info(self) -> HostInfo:
        """Raises EngineUnreachable."""
        with self.asking("read the engine's settings"):
            return host_info(self.api.info())

    def path(self, path: str) -> str:
        """The address of an API call for which the library has no method, or one that lacks something."""
        return f"{self.api.base_url}/v{self.api_version}{path}"

    def post(self, path: str, body: Mapping[str, Any]) -> None:
        """Use within `asking`."""
        raise_for_status(self.api.post(self.path(path), json=body, timeout=REQUEST_TIMEOUT))

    @contextmanager
    def asking(self, what: str, *, missing: type[EngineError] = EngineError) -> Iterator[None]:
        """Turn the library's exceptions into ours; `what` is worded to follow "could not"; 404 raises `missing`."""
        try:
            yield
        except NotFound as error:
            raise missing(f"The engine could not {what}: {_reason(error)}") from error
        except APIError as error:
            raise EngineError(f"The engine could not {what}: {_reason(error)}") from error
        except (requests.RequestException, DockerException) as error:
            raise EngineUnreachable(
                f"Docker Engine at {self.url} gave no answer when asked to {what} ({error}). "
                "What runs goes on running. Look at `systemctl status docker`; the request may be repeated."
            ) from error


def raise_for_status(response: requests.Response) -> None:
    """Raise the library's own exceptions, which `asking` translates."""
    try:
        response.raise_for_status()
    except requests.HTTPError as error:
        create_api_error_from_http_exception(error)


def _reason(error: APIError) -> str:
    return str(error.explanation or error)
