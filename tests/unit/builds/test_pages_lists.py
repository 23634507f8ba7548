"""Pages that list: projects, branches, builds. None asks more questions the more rows there are."""

import re
from types import SimpleNamespace

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from builds.models import Build
from portal.models import Result
from projects.models import Branch, Project, Stage
from tests import cast

MOST = 15  # queries of a page, those for session, person, alarms and the bell included


@pytest.fixture
def alice(client: Client, people: SimpleNamespace) -> Client:
    client.force_login(people.alice)
    return client


def text(client: Client, url: str) -> str:
    response = client.get(url)
    assert response.status_code == 200
    return response.content.decode()


@pytest.fixture
def many(people: SimpleNamespace) -> Project:
    """A project with 60 branches, the first of them with 30 builds, and 20 other projects."""
    for number in range(20):
        other = cast.project(f"other-{number}", people)
        cast.build(cast.branch(other, "main", Stage.PRODUCTION), with_steps=False)
    project = cast.project("demo", people)
    instance = cast.instance(Stage.PRODUCTION, "demo.localhost")
    main = cast.branch(project, "main", Stage.PRODUCTION, instance=instance)
    for number in range(30):
        cast.build(main, with_steps=number == 2)
    for number in range(59):
        branch = cast.branch(project, f"feature-{number}")
        cast.build(branch, result=Result.FAILURE if number % 3 else None, with_steps=number == 0)
    return project


def test_a_page_asks_few_questions_however_many_rows_there_are(
    alice: Client, many: Project, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    branch = f"/demo/branches/{many.branches.get(name='main').pk}/"

    for url in ("/", "/new/", "/demo/builds/", "/demo/settings/", branch, f"{branch}logs/", "/demo/builds/3/"):
        with django_assert_max_num_queries(MOST):
            text(alice, url)
    running = many.builds.get(branch__name="feature-0").number
    with django_assert_max_num_queries(MOST):
        text(alice, f"/demo/builds/{running}/")


def test_without_a_project_the_page_says_what_to_do(client: Client, people: SimpleNamespace) -> None:
    cast.project("demo", people)
    client.force_login(people.oscar)

    found = text(client, "/")

    assert "Bring in your first project" in found
    assert "Demo" not in found


def test_a_project_shows_its_address_and_how_each_stage_stands(alice: Client, people: SimpleNamespace) -> None:
    project = cast.project("demo", people)
    instance = cast.instance(Stage.PRODUCTION, "demo.localhost")
    cast.build(cast.branch(project, "main", Stage.PRODUCTION, instance=instance))
    cast.build(cast.branch(project, "fix"), result=Result.FAILURE)

    found = text(alice, "/")

    assert instance.url in found
    assert found.index("Success:") < found.index("No build yet:") < found.index("Failed:")


def test_projects_are_found_by_name_and_repository(alice: Client, people: SimpleNamespace) -> None:
    cast.project("demo", people)
    cast.project("other", people, repository="acme/warehouse")

    assert "Demo" not in text(alice, "/?q=wareh")
    assert "No project is called" in text(alice, "/?q=nothing")


def test_the_branches_page_opens_the_production_branch(alice: Client, people: SimpleNamespace) -> None:
    project = cast.project("demo", people)
    cast.branch(project, "fix")
    main = cast.branch(project, "main", Stage.PRODUCTION)

    assert alice.get("/demo/branches/")["Location"] == f"/demo/branches/{main.pk}/"


def test_without_a_branch_the_page_says_how_to_push_one(alice: Client, people: SimpleNamespace) -> None:
    cast.project("demo", people)

    assert "git push -u origin HEAD" in text(alice, "/demo/branches/")


def test_a_branch_shows_its_builds_newest_first_and_pages_back(alice: Client, many: Project) -> None:
    main = many.branches.get(name="main")
    found = text(alice, f"/demo/branches/{main.pk}/")
    older = text(alice, f"/demo/branches/{main.pk}/?before=6")

    assert found.index('id="build-30"') < found.index('id="build-29"')
    assert 'id="build-5"' not in found
    assert "?before=6" in found
    assert 'id="build-5"' in older


def test_a_number_of_too_many_digits_is_none(alice: Client, many: Project) -> None:
    huge, main = "9" * 5000, many.branches.get(name="main").pk

    assert 'id="build-30"' in text(alice, f"/demo/branches/{main}/?before={huge}")
    assert text(alice, f"/demo/builds/3/steps/build_image/?before={huge}")


def test_the_sidebar_finds_branches_and_always_has_the_open_one(alice: Client, many: Project) -> None:
    oldest = many.branches.get(name="feature-0")
    side = text(alice, f"/demo/branches/{oldest.pk}/")
    searched = text(alice, f"/demo/branches/{oldest.pk}/?q=feature-58")

    assert f'id="side-{oldest.pk}"' in side
    assert "Older branches are found by searching" in side
    assert re.findall(r'class="branch-name">([^<]*)<', searched) == ["feature-58"]


def test_a_deleted_branch_is_gone_from_the_lists_but_not_its_builds(alice: Client, people: SimpleNamespace) -> None:
    branch = cast.branch(cast.project("demo", people), "gone")
    build = cast.build(branch)
    Branch.objects.update(deleted_at=build.created_at)

    assert "gone" not in text(alice, "/demo/builds/")
    assert alice.get(f"/demo/branches/{branch.pk}/").status_code == 404
    assert alice.get("/demo/builds/1/").status_code == 200


def test_the_grid_has_production_on_top_and_newest_builds_left(alice: Client, people: SimpleNamespace) -> None:
    project = cast.project("demo", people)
    main = cast.branch(project, "main", Stage.PRODUCTION)
    for _number in range(14):
        cast.build(main)
    cast.build(cast.branch(project, "fix"))

    found = text(alice, "/demo/builds/")

    assert found.index('id="cell-14"') < found.index('id="cell-13"') < found.index('id="cell-15"')
    assert 'id="cell-6"' not in found  # a row is limited
    assert found.count("Older builds") == 1


def test_names_and_messages_are_escaped(alice: Client, people: SimpleNamespace) -> None:
    project = cast.project("demo", people, name="<i>Demo</i>")
    branch = cast.branch(project, "<b>;$(reboot)")
    cast.build(branch, message="<script>alert(1)</script>", author="<u>")

    for url in ("/", "/demo/builds/", f"/demo/branches/{branch.pk}/", "/demo/builds/1/"):
        assert not {"<i>Demo", "<b>;", "<script>alert", "<u>"} & set(pieces(text(alice, url)))


def pieces(page: str) -> list[str]:
    """Which of the planted tags arrived as tags."""
    return [tag for tag in ("<i>Demo", "<b>;", "<script>alert", "<u>") if tag in page]


def test_a_visitor_does_not_see_messages_of_production(client: Client, people: SimpleNamespace) -> None:
    project = cast.project("demo", people, public=True)
    cast.build(cast.branch(project, "main", Stage.PRODUCTION), message="Secret plan")
    cast.build(cast.branch(project, "fix"), message="Open plan")

    found = text(client, "/demo/builds/")

    assert "Open plan" in found
    assert "Secret plan" not in found
    assert Build.objects.count() == 2
