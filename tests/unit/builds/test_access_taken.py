"""A role is taken away while somebody follows a log: the next piece is refused already."""

from types import SimpleNamespace

import pytest
from django.test import Client

from projects import members
from projects.models import Role, Stage
from tests import cast


@pytest.fixture
def followed(client: Client, people: SimpleNamespace) -> str:
    """Where Tom's browser asks for what a step of a staging build wrote since."""
    project = cast.project("demo", people)
    build = cast.build(cast.branch(project, "fix", Stage.STAGING), result=None)
    client.force_login(people.tom)
    return f"/demo/builds/{build.number}/steps/fetch/?after=0"


def follow(client: Client, url: str) -> tuple[int, bool]:
    """The status, and whether the step's output is in the answer."""
    response = client.get(url, headers={"HX-Request": "true"})
    return response.status_code, b"odoo.modules" in response.content


def test_a_weaker_role_ends_it(client: Client, people: SimpleNamespace, followed: str) -> None:
    assert follow(client, followed) == (200, True)

    tom = people.tom.memberships.get()
    members.change(member=tom, role=Role.DEVELOPER, by=people.alice)

    assert follow(client, followed) == (403, False)


def test_leaving_the_project_ends_it(client: Client, people: SimpleNamespace, followed: str) -> None:
    assert follow(client, followed) == (200, True)

    members.remove(member=people.tom.memberships.get(), by=people.alice)

    assert follow(client, followed) == (404, False)


def test_a_project_that_is_public_no_more_ends_it_for_visitors(client: Client, people: SimpleNamespace) -> None:
    project = cast.project("demo", people, public=True)
    build = cast.build(cast.branch(project, "fix", Stage.DEVELOPMENT), result=None)
    url = f"/demo/builds/{build.number}/steps/fetch/?after=0"
    assert follow(client, url) == (200, True)

    project.public = False
    project.save()

    assert follow(client, url) == (302, False)
