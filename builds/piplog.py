"""What pip says in the output of an image build: whether the network failed it, and what it could not install.

Where its index can't be reached, pip ends with the same "No matching distribution" as for a name that doesn't exist.
The difference is in the lines before.
"""

import re

_NETWORK = re.compile(
    r"temporary failure in name resolution|name or service not known|failed to establish a new connection"
    r"|connection (?:reset|refused|timed out|aborted)|connect(?:ion)? ?timeout|read ?timed? ?out|incompleteread"
    r"|remote ?disconnected|remote end closed connection|broken pipe|network is unreachable|no route to host"
    r"|(?:error|status|code)[: ]+5\d\d|5\d\d server error|too many requests|eof occurred in violation",
    re.IGNORECASE,
)
_REFUSED = re.compile(
    r"(?:No matching distribution found for|Could not find a version that satisfies the requirement)\s+(?P<what>\S+)"
    r"|Invalid requirement: '?(?P<invalid>[^'\n]+)"
    r"|Failed (?:to build|building wheel for)\s+(?:installable wheels for some pyproject\.toml based projects \()?"
    r"(?P<wheel>[\w.-]+)"
)


def network_failed(output: str) -> bool:
    """Whether the index or another server was out of reach, which may pass."""
    return bool(_NETWORK.search(output))


def refused(output: str) -> str:
    """The requirement that pip could not install, "" where it names none."""
    found = _REFUSED.search(output)
    return next((text for text in found.groups() if text), "").strip() if found else ""
