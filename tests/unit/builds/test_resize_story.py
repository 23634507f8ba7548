"""A resize from the button to the containers, and the refusals on the way."""

from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import Client

from builds.models import Resize
from hosting.models import Pool
from hosting.odoo.floors import MIB
from portal import stories
from portal.models import AuditEntry, Story
from projects.models import Branch, Member, Project, Role, Stage
from tests import cast
from tests.unit.fakes.stage import NEW, Scenery

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def branch(stage: Scenery, people: SimpleNamespace, client: Client) -> Branch:
    """Production, which runs; Alice is signed in."""
    stage.tell(stage.first())
    Member.objects.create(project=Project.objects.get(), user=people.alice, role=Role.ADMIN)
    client.force_login(people.alice)
    return Branch.objects.get()


def ask(client: Client, branch: Branch, **size: Any) -> str:
    """Press the button, and let the worker see to it; returns the page as it is then."""
    address = f"/shop/branches/{branch.pk}/"
    page = client.post(f"{address}resize/", {"cpus": ""} | size, follow=True).content.decode()
    for story in Story.objects.filter(kind="resize", state="queued"):
        assert story.queue == "urgent"
        stories.look(story.pk)
        return client.get(f"{address}settings/").content.decode()
    return page


def memory(stage: Scenery) -> set[int]:
    return {container.spec.memory_bytes // MIB for container in stage.world.containers.values()}


def test_it_resizes_and_says_who_did_it(stage: Scenery, client: Client, branch: Branch) -> None:
    page = ask(client, branch, memory_mb=3072, cpus="1.5")

    assert "alice changed it to 3,072 MB and 1.5 cores" in page
    assert memory(stage) == {3072}
    branch.refresh_from_db()
    assert (branch.memory_mb, branch.cpus) == (3072, Decimal("1.5"))
    entry = AuditEntry.objects.get(verb="resize")
    assert (entry.by, entry.object) == ("alice", "main")
    assert entry.before == {"memory_mb": 1536, "cpus": None}
    assert entry.after == {"memory_mb": 3072, "cpus": "1.5"}


def test_it_does_not_wait_for_a_build_that_goes_on(stage: Scenery, client: Client, branch: Branch) -> None:
    build = stage.build(branch, NEW)
    Story.objects.filter(pk=build.story_id or 0).update(
        state="running", claim="x", lease_until="2999-01-01T00:00Z", started_at="2026-01-01T00:00Z"
    )

    ask(client, branch, memory_mb=3072)

    assert memory(stage) == {3072}


def test_less_than_is_used_is_refused_on_the_page(stage: Scenery, client: Client, branch: Branch) -> None:
    stage.world.used_bytes = 2000 * MIB

    page = ask(client, branch, memory_mb=1600)

    assert "The size was not changed" in page
    assert f"uses {2000 * MIB} bytes" in page
    branch.refresh_from_db()
    assert branch.memory_mb == Pool.objects.get().memory_mb == 1536
    assert memory(stage) == {1536}
    assert not AuditEntry.objects.filter(verb="resize").exists()


def test_below_the_floor_needs_insisting_and_is_padded(stage: Scenery, client: Client, branch: Branch) -> None:
    page = ask(client, branch, memory_mb=1024)

    assert "Odoo 18 needs at least 1536 MB" in page
    assert not Resize.objects.exists()

    ask(client, branch, memory_mb=1024, insist="on")

    assert memory(stage) == {1280}
    branch.refresh_from_db()
    assert branch.memory_mb == 1024


def test_the_next_pool_has_the_size_too(stage: Scenery, client: Client, branch: Branch) -> None:
    ask(client, branch, memory_mb=3072, cpus="0.5")

    stage.tell(stage.build(branch, NEW))

    pool = Pool.objects.get(state=Pool.State.LIVE)
    assert (pool.memory_mb, pool.cpus) == (3072, Decimal("0.5"))


def test_the_same_size_asks_for_nothing(stage: Scenery, client: Client, branch: Branch) -> None:
    assert "Nothing was changed." in ask(client, branch, memory_mb=1536)
    assert not Resize.objects.exists()


@pytest.mark.parametrize("size", [{"memory_mb": "lots"}, {"memory_mb": -1}, {"memory_mb": 2048, "cpus": "0"}, {}])
def test_nonsense_is_refused_beside_its_field(
    stage: Scenery, client: Client, branch: Branch, size: dict[str, Any]
) -> None:
    assert 'class="field-errors"' in ask(client, branch, **size)
    assert not Resize.objects.exists()


def test_a_branch_without_a_database_keeps_the_size_for_its_first(stage: Scenery, client: Client) -> None:
    project = cast.project("demo", cast.people())
    branch = cast.branch(project, "fix", Stage.DEVELOPMENT)
    client.force_login(project.members.get(user__username="dev").user)

    client.post(f"/demo/branches/{branch.pk}/resize/", {"memory_mb": 2048, "cpus": ""})
    stories.look(Story.objects.get(kind="resize").pk)

    branch.refresh_from_db()
    assert branch.memory_mb == 2048


def test_a_story_that_is_told_twice_is_one_entry_in_the_log(stage: Scenery, client: Client, branch: Branch) -> None:
    ask(client, branch, memory_mb=3072)
    Story.objects.filter(kind="resize").update(state="queued", result="")
    story = Story.objects.get(kind="resize")
    story.steps.update(state="queued")

    stories.look(story.pk)

    assert AuditEntry.objects.filter(verb="resize").count() == 1
