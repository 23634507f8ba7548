"""A repository becomes a project: its default branch production, its webhook installed or the reason kept."""

from types import SimpleNamespace

import pytest

from portal.models import AuditEntry, User
from portal.stories import ProjectError
from projects import connect as connecting
from projects.connect import connect
from projects.following import follow
from projects.models import Branch, Member, Project, Role, Stage
from projects.providers import Forbidden, NotFound, Repository
from tests import cast
from tests.unit.fakes import World
from tests.unit.fakes.github import FakeGitHub

A, B = "a" * 40, "b" * 40


@pytest.fixture
def alice(world: World, people: SimpleNamespace) -> User:
    cast.host()
    world.heads = {"main": A, "feature/x": B}
    alice: User = people.alice
    User.objects.filter(pk=alice.pk).update(github_token="gho_alice")
    alice.refresh_from_db()
    return alice


def connected(alice: User, **changes: str) -> Project:
    values = {"repository": "acme/shop", "name": "Shop", "slug": "shop", "series": "18.0"} | changes
    return connect(by=alice, **values)


def test_the_default_branch_is_production_and_the_others_development(alice: User) -> None:
    connected(alice)
    branches = {branch.name: (branch.stage, branch.head) for branch in Branch.objects.all()}
    assert branches == {"main": (Stage.PRODUCTION, A), "feature/x": (Stage.DEVELOPMENT, B)}


def test_who_connects_is_its_admin_lends_the_token_and_is_in_the_log(alice: User) -> None:
    project = connected(alice)
    assert (project.token, project.clone_url) == ("gho_alice", "https://github.com/acme/shop.git")
    assert [(member.user, member.role) for member in Member.objects.all()] == [(alice, Role.ADMIN)]
    entry = AuditEntry.objects.get()
    assert (entry.by, entry.verb, entry.object, entry.project_id) == ("alice", "create project", "shop", project.pk)


def test_an_empty_repository_has_its_production_branch_waiting(alice: User, world: World) -> None:
    world.heads = {}
    connected(alice)
    assert [(branch.name, branch.stage, branch.head) for branch in Branch.objects.all()] == [
        ("main", Stage.PRODUCTION, "")
    ]


def test_branches_with_names_that_berth_does_not_use_are_left_out(alice: User, world: World) -> None:
    world.heads |= {"-rf": A, "x" * 300: A, "a/../b": A}
    connected(alice)
    assert set(Branch.objects.values_list("name", flat=True)) == {"main", "feature/x"}


def test_a_name_of_any_length_is_cut(alice: User) -> None:
    assert connected(alice, name="x" * 300).name == "x" * 100


@pytest.mark.parametrize("slug", ["admin", "static", "hooks", "A", "a", "-shop", "shop-", "1shop", "x" * 32, "", "a_b"])
def test_an_address_that_can_not_be_is_refused(alice: User, slug: str) -> None:
    with pytest.raises(ProjectError):
        connected(alice, slug=slug)
    assert not Project.objects.exists()


@pytest.mark.parametrize("slug", ["shop-main-i5", "shop-i42"])
def test_an_address_that_a_build_of_another_project_may_get_is_refused(alice: User, slug: str) -> None:
    with pytest.raises(ProjectError, match="reserved"):
        connected(alice, slug=slug)


def test_a_series_that_is_not_offered_is_refused_with_those_that_are(alice: User) -> None:
    with pytest.raises(ProjectError, match=r"Odoo 17\.0 isn't offered") as caught:
        connected(alice, series="17.0")
    assert "18.0" in caught.value.detail


def test_an_address_is_taken_once(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    connected(alice)
    other = Repository("acme/other", "https://github.com/acme/other.git", "", "", False, "main", "id-other")
    monkeypatch.setattr(FakeGitHub, "repository", lambda *_: other)
    with pytest.raises(ProjectError, match="The address 'shop' is taken"):
        connected(alice)
    assert Project.objects.count() == 1


def test_a_repository_has_one_project_whatever_it_is_called(alice: User, world: World) -> None:
    connected(alice)
    world.repository = "acme/renamed"
    with pytest.raises(ProjectError, match="connected already"):
        connected(alice, slug="another")
    assert (Project.objects.count(), Branch.objects.count()) == (1, 2)


def test_a_repository_that_can_not_be_read_is_told_without_the_token(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: str) -> Repository:
        raise NotFound("There is no such repository.")

    monkeypatch.setattr(FakeGitHub, "repository", refuse)
    with pytest.raises(ProjectError, match="acme/shop can't be read") as caught:
        connected(alice)
    assert "gho_alice" not in f"{caught.value.title}{caught.value.detail}{caught.value.remedy}"


def test_a_webhook_that_is_refused_keeps_the_project_and_the_reason(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: str) -> int:
        raise Forbidden("The token may not install webhooks.")

    with monkeypatch.context() as patch:
        patch.setattr(FakeGitHub, "ensure_webhook", refuse)
        project = connected(alice)
    assert (project.webhook_id, "may not install webhooks" in project.webhook_error) == ("", True)
    connecting.install_webhook(project)
    project.refresh_from_db()
    assert (project.webhook_id, project.webhook_error) == ("1", "")


# --- following --------------------------------------------------------------------------------------------------------
def test_a_renamed_repository_is_followed_with_its_address_and_audited(alice: User, world: World) -> None:
    project = connected(alice)
    world.repository = "acme/store"
    follow(project)
    project.refresh_from_db()
    assert (project.repository, project.clone_url) == ("acme/store", "https://github.com/acme/store.git")
    assert AuditEntry.objects.latest("pk").after == ["acme/store", "https://github.com/acme/store.git"]


def test_what_was_not_renamed_is_not_written_again(alice: User) -> None:
    follow(connected(alice))
    assert AuditEntry.objects.count() == 1
