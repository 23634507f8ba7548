"""Merging a branch into another from its page: who may, what it does is said first, and what came of it."""

import html
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from django.test import Client

from builds.models import Build
from portal import clock
from portal.models import AuditEntry, User
from projects.models import Branch, Stage
from projects.providers import Forbidden, MergeConflict, NotFound, ProviderError, Unreachable
from tests import cast
from tests.apis import Caller
from tests.unit.fakes import World


@pytest.fixture
def shop(people: SimpleNamespace, world: World) -> Iterator[SimpleNamespace]:
    """A branch on each stage, all at another commit, and people with accounts at GitHub."""
    User.objects.update(github_token="gho_theirs")
    project = cast.project("shop", people)
    named = {"main": Stage.PRODUCTION, "next": Stage.STAGING, "fix": Stage.DEVELOPMENT, "other": Stage.DEVELOPMENT}
    branches = {
        name: cast.branch(project, name, stage, head=str(number) * 40)
        for number, (name, stage) in enumerate(named.items(), start=1)
    }
    world.heads = {name: branch.head for name, branch in branches.items()}
    yield SimpleNamespace(project=project, **branches)
    assert not Build.objects.exists(), "a merge builds nothing by itself: the push that it is does"


def address(branch: Branch, into: object = "") -> str:
    return f"/shop/branches/{branch.pk}/merge/" + (f"?into={into}" if into else "")


def page(client: Client, path: str) -> str:
    return html.unescape(client.get(path).content.decode())


def merge(client: Client, branch: Branch, into: Branch) -> str:
    """The page that follows."""
    return html.unescape(client.post(address(branch), {"into": into.pk}, follow=True).content.decode())


def refuse(world: World, error: ProviderError) -> None:
    def raise_it(what: str) -> None:
        if what == "merge":
            raise error

    world.before = raise_it


@pytest.mark.parametrize(
    ("who", "offered"),
    [("alice", {"main", "next", "other"}), ("tom", {"next", "other"}), ("dev", {"other"})],
)
def test_those_branches_are_offered_whose_settings_the_person_may_change(
    client: Client, people: SimpleNamespace, shop: SimpleNamespace, who: str, offered: set[str]
) -> None:
    client.force_login(getattr(people, who))
    assert address(shop.fix) in page(client, f"/shop/branches/{shop.fix.pk}/")

    found = client.get(address(shop.fix)).context["targets"]

    assert {branch.name for _stage, branches in found for branch in branches} == offered


def test_with_no_other_branch_it_says_so(client: Client, people: SimpleNamespace, shop: SimpleNamespace) -> None:
    Branch.objects.exclude(pk=shop.fix.pk).update(deleted_at=clock.now())
    client.force_login(people.alice)
    assert "There is no other branch that you may merge it into" in page(client, address(shop.fix))


@pytest.mark.parametrize(
    ("into", "said"),
    [
        ("main", "deployed to main at once, which is production"),
        ("next", "in a new copy of production, neutralised"),
        ("other", "in a fresh database with demo data"),
    ],
)
def test_what_the_push_then_does_is_said_first(
    client: Client, people: SimpleNamespace, shop: SimpleNamespace, world: World, into: str, said: str
) -> None:
    client.force_login(people.alice)

    shown = page(client, address(shop.fix, getattr(shop, into).pk))

    assert f"Merge fix into {into}?" in shown
    assert said in shown
    assert world.merges == []


def test_where_pushes_do_nothing_it_says_that(client: Client, people: SimpleNamespace, shop: SimpleNamespace) -> None:
    Branch.objects.filter(pk=shop.other.pk).update(on_push=Branch.OnPush.NOTHING)
    client.force_login(people.dev)
    assert "Nothing is built: by the settings of other" in page(client, address(shop.fix, shop.other.pk))


def test_it_is_merged_in_the_persons_name_and_written_down(
    client: Client, people: SimpleNamespace, shop: SimpleNamespace, world: World
) -> None:
    client.force_login(people.alice)

    followed = merge(client, shop.fix, shop.main)

    assert "fix was merged into main, as eeeeeee." in followed
    assert world.merges == [("fix", "main", "Merge fix into main")]
    entry = AuditEntry.objects.get(verb="merge branch")
    assert (entry.by, entry.object, entry.after) == ("alice", "fix", {"into": "main", "commit": "e" * 40})


def test_what_is_merged_already_is_not_merged_again(
    client: Client, people: SimpleNamespace, shop: SimpleNamespace, world: World
) -> None:
    world.heads["main"] = world.heads["fix"]
    client.force_login(people.alice)

    assert "There was nothing to merge: main has all of fix already." in merge(client, shop.fix, shop.main)
    assert not AuditEntry.objects.exists()


def test_a_conflict_changes_nothing_and_says_how_to_settle_it(
    client: Client, people: SimpleNamespace, shop: SimpleNamespace, world: World
) -> None:
    refuse(world, MergeConflict("They conflict."))
    client.force_login(people.alice)

    shown = merge(client, shop.fix, shop.main)

    assert "fix and main conflict" in shown
    assert "Nothing was merged: both are as they were." in shown
    assert "git fetch origin && git checkout fix && git pull && git merge origin/main" in shown
    assert "Merge again" in shown
    assert (world.merges, AuditEntry.objects.exists()) == ([], False)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (Forbidden("The token doesn't carry that right."), "The token doesn't carry that right. Nothing was changed."),
        (NotFound("Base does not exist."), "one of the branches is gone, or your account may not push there"),
        (Unreachable("GitHub could not merge."), "what is merged already is not merged twice"),
    ],
)
def test_what_github_refuses_is_shown_with_what_to_do(
    client: Client, people: SimpleNamespace, shop: SimpleNamespace, world: World, error: ProviderError, said: str
) -> None:
    refuse(world, error)
    client.force_login(people.alice)

    shown = merge(client, shop.fix, shop.main)

    assert said in shown
    assert str(error) in shown
    assert not AuditEntry.objects.exists()


def test_without_an_account_at_github_it_is_refused(
    client: Client, people: SimpleNamespace, shop: SimpleNamespace, world: World
) -> None:
    User.objects.update(github_token="")
    client.force_login(people.alice)
    assert "sign in with GitHub first" in merge(client, shop.fix, shop.main)
    assert world.merges == []


def test_nothing_is_asked_of_a_repository_that_is_gone(
    client: Client, people: SimpleNamespace, shop: SimpleNamespace, world: World
) -> None:
    shop.project.gone_at = clock.now()
    shop.project.save()
    client.force_login(people.alice)
    assert "GitHub doesn't find acme/shop any more" in merge(client, shop.fix, shop.main)
    assert world.merges == []


def test_into_a_stage_beyond_the_role_nothing_is_merged(
    client: Client, people: SimpleNamespace, shop: SimpleNamespace, world: World
) -> None:
    client.force_login(people.tom)
    for method in (client.get, client.post):
        assert method(address(shop.fix, shop.main.pk), {"into": shop.main.pk}).status_code == 403
    client.force_login(people.dev)
    assert client.post(address(shop.fix), {"into": shop.next.pk}).status_code == 403
    assert client.post(address(shop.main), {"into": shop.fix.pk}).status_code == 302  # the target's stage is asked
    assert [into for _name, into, _message in world.merges] == ["fix"]


@pytest.mark.parametrize("into", ["foreign", "deleted", "0", "-1", "main", "9" * 30, "9" * 5000])
def test_a_branch_that_is_not_there_is_not_found(
    client: Client, people: SimpleNamespace, shop: SimpleNamespace, world: World, into: str
) -> None:
    foreign = cast.branch(cast.project("blog", people), "main", head="7" * 40)
    deleted = cast.branch(shop.project, "old", head="8" * 40, deleted_at=clock.now())
    chosen = {"foreign": str(foreign.pk), "deleted": str(deleted.pk)}.get(into, into)
    client.force_login(people.alice)

    assert client.get(address(shop.fix, chosen)).status_code == 404
    assert client.post(address(shop.fix), {"into": chosen}).status_code == 404
    assert world.merges == []


def test_a_branch_is_merged_into_another_one_with_commits(
    client: Client, people: SimpleNamespace, shop: SimpleNamespace, world: World
) -> None:
    client.force_login(people.alice)
    assert "They are the same branch. Nothing was changed." in page(client, address(shop.fix, shop.fix.pk))
    Branch.objects.filter(pk=shop.main.pk).update(head="")
    assert "main has no commit yet." in merge(client, shop.fix, shop.main)
    assert world.merges == []


def test_where_production_is_taken_the_page_of_the_move_leads_to_a_merge(
    client: Client, people: SimpleNamespace, shop: SimpleNamespace
) -> None:
    client.force_login(people.alice)

    shown = page(client, f"/shop/branches/{shop.fix.pk}/move/?stage=production")

    assert "Merge fix into main, or move main to development first." in shown
    assert address(shop.fix, shop.main.pk) in shown


# --- the columns ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("who", "stages"),
    [
        ("alice", {"production", "staging", "development"}),
        ("tom", {"staging", "development"}),
        ("dev", {"development"}),
    ],
)
def test_only_what_the_role_reaches_can_be_dropped_on(
    client: Client, people: SimpleNamespace, shop: SimpleNamespace, who: str, stages: set[str]
) -> None:
    client.force_login(getattr(people, who))
    shown = page(client, f"/shop/branches/{shop.fix.pk}/")
    reached = {each.name for each in (shop.main, shop.next, shop.fix, shop.other) if each.stage in stages}

    assert {stage for stage in Stage.values if f'data-stage="{stage}"' in shown} == stages
    assert {name for name in ("main", "next", "fix", "other") if f'data-into="{getattr(shop, name).pk}"' in shown} == (
        reached
    )
    for name in ("main", "next", "fix", "other"):
        assert f'data-merge="{address(getattr(shop, name))}"' in shown


# --- the API ----------------------------------------------------------------------------------------------------------
def path(branch: Branch) -> str:
    return f"projects/shop/branches/{branch.pk}/merge/"


def test_a_program_merges_once_however_often_it_asks(
    people: SimpleNamespace, shop: SimpleNamespace, world: World
) -> None:
    alice, body = Caller(people.alice), {"into": shop.main.pk}

    answers = [alice.send("post", path(shop.fix), body, Idempotency_Key="one") for _ in range(2)]

    assert [each.status_code for each in answers] == [202, 202]
    assert answers[0].json() == answers[1].json()
    assert answers[0].json()["commit"] == "e" * 40
    assert "deployed to main at once" in answers[0].json()["then"]
    assert len(world.merges) == 1


def test_a_program_is_told_that_nothing_was_to_be_merged(
    people: SimpleNamespace, shop: SimpleNamespace, world: World
) -> None:
    world.heads["main"] = world.heads["fix"]
    answer = Caller(people.alice).send("post", path(shop.fix), {"into": shop.main.pk})
    assert (answer.status_code, answer.json()["commit"]) == (202, None)


@pytest.mark.parametrize(("error", "code"), [(MergeConflict("x"), 409), (Forbidden("x"), 409), (Unreachable("x"), 503)])
def test_a_program_is_told_why_not(
    people: SimpleNamespace, shop: SimpleNamespace, world: World, error: ProviderError, code: int
) -> None:
    refuse(world, error)
    answer = Caller(people.alice).send("post", path(shop.fix), {"into": shop.main.pk})
    assert answer.status_code == code
    assert answer.json()["title"]


def test_a_program_may_ask_what_it_would_do(people: SimpleNamespace, shop: SimpleNamespace, world: World) -> None:
    alice = Caller(people.alice)
    told = alice.send("post", f"{path(shop.fix)}?dry_run=1", {"into": shop.next.pk}).json()
    assert any("neutralised" in each for each in told["would"])
    assert told["refused"] == ""
    same = alice.send("post", f"{path(shop.fix)}?dry_run=1", {"into": shop.fix.pk}).json()
    assert (same["would"], same["refused"]) == ([], "They are the same branch.")
    assert alice.send("post", path(shop.fix), {"into": 10**6}).status_code == 409
    assert world.merges == []
