"""A series of Odoo grows old: nothing, then a notice, then no new projects and builds, while what runs goes on."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.test import Client

from builds import stages
from builds.again import deploy_again
from builds.begin import begin, rebuild
from builds.deliveries import move_branch
from builds.models import Build
from hosting import runtimes
from hosting.models import Runtime, Stage
from hosting.odoo.lives import LIVES, Phase
from portal import clock
from portal.stories import ProjectError
from projects import support
from projects.connect import connect
from projects.forms import NewProjectForm
from projects.models import Branch, Project
from tests import cast
from tests.apis import Caller
from tests.unit.fakes import World

A, B = "a" * 40, "b" * 40


SUPPORTED, EXTENDED, PHASED_OUT = Phase


@contextmanager
def on(phase: Phase) -> Iterator[None]:
    """On a day in that phase of the projects' series."""
    life, day = LIVES["18.0"], timedelta(days=1)
    first = {SUPPORTED: clock.now().date(), EXTENDED: life.supported_until + day, PHASED_OUT: life.extended_until + day}
    with clock.moved(first[phase] - clock.now().date()):
        yield


def ended() -> str:
    """How a phased out one is spoken of."""
    return f"phased out on {LIVES['18.0'].extended_until:%-d %B %Y}"


@pytest.fixture
def project(world: World, people: SimpleNamespace) -> Project:
    return cast.project("demo", people)


@pytest.fixture
def branch(project: Project) -> Branch:
    instance = cast.instance(Stage.PRODUCTION, "demo.localhost")
    return cast.branch(project, "main", Stage.PRODUCTION, instance=instance, head=A)


def test_members_see_on_each_page_how_their_series_stands(
    branch: Branch, client: Client, people: SimpleNamespace
) -> None:
    found = []
    for day in (SUPPORTED, EXTENDED, PHASED_OUT):
        with on(day):
            client.force_login(people.dev)
            page = client.get(f"/demo/branches/{branch.pk}/").content.decode()
            found.append(("standard support of 18.0 ended" in page, ended() in page))
    assert found == [(False, False), (True, False), (False, True)]


def test_visitors_of_a_public_project_do_not(branch: Branch, client: Client) -> None:
    Project.objects.update(public=True)
    with on(EXTENDED):
        assert "standard support" not in client.get("/demo/builds/").content.decode()


def test_an_extended_one_is_built_as_ever(branch: Branch) -> None:
    with on(EXTENDED):
        assert begin(branch=branch, commit=A, by=None).number == 1


def test_a_phased_out_one_is_not_built_and_the_reason_is_said(branch: Branch, people: SimpleNamespace) -> None:
    build = cast.build(branch)
    with on(PHASED_OUT):
        with pytest.raises(ProjectError) as refused:
            begin(branch=branch, commit=A, by=None)
        assert ended() in refused.value.detail
        with pytest.raises(ProjectError, match="Nothing is built for Demo"):
            rebuild(build=build, by=people.alice)
    assert Build.objects.count() == 1


def test_a_push_to_a_phased_out_one_is_remembered_and_builds_nothing(branch: Branch) -> None:
    with on(PHASED_OUT):
        assert "phased out" in move_branch(branch.project, "main", B, before=A)
    branch.refresh_from_db()
    assert (branch.head, Build.objects.exists()) == (B, False)


def test_a_dry_run_says_what_it_would_be_made_of_and_why_not(branch: Branch, people: SimpleNamespace) -> None:
    runtime, caller = runtimes.freeze(cast.host(), "18.0"), Caller(people.alice)
    address = f"projects/demo/branches/{branch.pk}/deploy/?dry_run=1"
    told = caller.send("post", address).json()
    assert (f"It is made of {runtime}, {runtime.name}." in told["would"], told["refused"]) == (True, "")
    with on(PHASED_OUT):
        assert ended() in caller.send("post", address).json()["refused"]


def test_a_branch_of_a_phased_out_one_moves_without_a_build(project: Project, people: SimpleNamespace) -> None:
    branch = cast.branch(project, "next", head=A)
    with on(PHASED_OUT):
        assert stages.move(branch=branch, stage=Stage.STAGING, by=people.alice) is None
    branch.refresh_from_db()
    assert (branch.stage, Build.objects.exists()) == (Stage.STAGING, False)


def test_what_a_phased_out_one_has_can_be_deployed_again(branch: Branch, people: SimpleNamespace) -> None:
    older = cast.build(branch, image_id="sha256:older", pool=branch.instance.live_pool if branch.instance else None)
    with on(PHASED_OUT):
        assert deploy_again(build=older, by=people.alice).image_of == older


def test_a_lost_machines_production_comes_back_whatever_its_age(branch: Branch) -> None:
    with on(PHASED_OUT):
        assert begin(branch=branch, commit=A, by=None, brings_back=True).number == 1


def test_no_project_begins_with_a_phased_out_one(world: World, people: SimpleNamespace) -> None:
    cast.host()
    with on(PHASED_OUT):
        assert support.refusal("18.0")
        assert NewProjectForm().fields["series"].choices == []  # type: ignore[attr-defined]
        with pytest.raises(ProjectError, match=r"Odoo 18\.0 is phased out"):
            connect(by=people.alice, repository="acme/shop", name="Shop", slug="shop", series="18.0")
    with on(EXTENDED):
        assert NewProjectForm().fields["series"].choices == [("18.0", "Odoo 18.0")]  # type: ignore[attr-defined]


def test_a_phased_out_one_is_frozen_no_more(world: World) -> None:
    cast.host()
    with on(PHASED_OUT):
        runtimes.freeze_due()
        assert not Runtime.objects.exists()
    with on(EXTENDED):
        runtimes.freeze_due()
    assert Runtime.objects.exists()
