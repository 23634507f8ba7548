"""Names become parts of addresses: what is no name of a repository never reaches GitHub."""

import pytest

from projects.providers import ValidationFailed
from projects.providers.github import GitHub


@pytest.mark.parametrize(
    "full_name",
    [
        "",
        "alice",
        "alice/",
        "/addons",
        "alice/..",
        "alice/.",
        "../user",
        "alice/a/b",
        "alice/a?x=1",
        "alice/a#b",
        "a b/c",
        "-a/b",
    ],
)
def test_it_rejects_what_is_no_name_of_a_repository(full_name: str) -> None:
    with pytest.raises(ValidationFailed, match="owner/name"):
        GitHub("token").branches(full_name)
