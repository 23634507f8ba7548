"""The settings tab: what each stage shows, what is saved, and when it takes effect."""

from types import SimpleNamespace
from typing import Any

import pytest
from django.test import Client

from hosting.models import Pool
from portal.models import AuditEntry
from projects.models import Branch, Project, Stage
from tests import cast

ON_PRODUCTION = {"workers", "replicas", "strategy", "drain_seconds", "keep_minutes", "hold_seconds", "long_updates"}
INSTALL, TESTS = {"install", "install_list"}, {"run_tests", "test_tags", "from_template"}
EVERYWHERE = {"on_push", "runtime", "probe_path", "full_timeout_seconds"}


@pytest.fixture
def project(people: SimpleNamespace) -> Project:
    return cast.project("demo", people)


@pytest.fixture
def alice(client: Client, people: SimpleNamespace) -> Client:
    client.force_login(people.alice)
    return client


def address(branch: Branch) -> str:
    return f"/demo/branches/{branch.pk}/settings/"


def values(client: Client, branch: Branch) -> dict[str, Any]:
    """What a browser would send back for the page as it is."""
    form = client.get(address(branch)).context["form"]
    filled = {field.name: field.value() for field in form}
    return {name: value for name, value in filled.items() if value not in (False, None)}


def save(client: Client, branch: Branch, **changes: Any) -> str:
    """Fill in the page with `changes`; returns the page that follows."""
    return client.post(address(branch), values(client, branch) | changes, follow=True).content.decode()


@pytest.mark.parametrize(
    ("stage", "shown"),
    [
        (Stage.PRODUCTION, EVERYWHERE | ON_PRODUCTION | INSTALL),
        (Stage.STAGING, EVERYWHERE | {"idle_minutes", "copy_hours"}),
        (Stage.DEVELOPMENT, EVERYWHERE | {"idle_minutes"} | INSTALL | TESTS),
    ],
)
def test_it_shows_what_means_something_on_the_stage(
    alice: Client, project: Project, stage: Stage, shown: set[str]
) -> None:
    branch = cast.branch(project, "main", stage)

    assert set(alice.get(address(branch)).context["form"].fields) == shown


def test_it_saves_what_was_changed_and_says_so_in_the_audit_log(alice: Client, project: Project) -> None:
    branch = cast.branch(project, "main", Stage.PRODUCTION)

    page = save(alice, branch, workers=4, drain_seconds=300)

    branch.refresh_from_db()
    assert (branch.workers, branch.drain_seconds, branch.keep_minutes) == (4, 300, 15)
    assert "Saved. Takes effect: Workers, Time to finish: with the next deploy." in page
    entry = AuditEntry.objects.get(verb="change branch settings")
    assert (entry.by, entry.object, entry.project_id) == ("alice", "main", project.pk)
    assert entry.before == {"workers": 2, "drain_seconds": 60}
    assert entry.after == {"workers": 4, "drain_seconds": 300}


def test_nothing_changed_is_nothing_told(alice: Client, project: Project) -> None:
    branch = cast.branch(project, "main", Stage.PRODUCTION)

    assert "Nothing was changed." in save(alice, branch)
    assert not AuditEntry.objects.exists()


def test_what_a_stage_does_not_show_can_not_be_sent(alice: Client, project: Project) -> None:
    branch = cast.branch(project, "fix")

    save(alice, branch, workers=40, drain_seconds=1)

    branch.refresh_from_db()
    assert (branch.workers, branch.drain_seconds) == (2, 60)


def test_modules_are_a_list_in_the_row_and_words_on_the_page(alice: Client, project: Project) -> None:
    branch = cast.branch(project, "fix")

    page = save(alice, branch, install="list", install_list="sale_management, hr\r\nsale_management  stock")

    branch.refresh_from_db()
    assert branch.install_list == ["sale_management", "hr", "stock"]
    assert "sale_management hr stock</textarea>" in page


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("workers", "0", "greater than or equal to 1"),
        ("workers", "1000", "less than or equal to 64"),
        ("replicas", "0", "greater than or equal to 1"),
        ("replicas", "5", "less than or equal to 4"),
        ("probe_path", "//evil.example/", "begins with a slash"),
        ("probe_path", "/a\r\nHost: b", "begins with a slash"),
        ("install_list", "sale --init", "No technical name of a module: --init"),
        ("full_timeout_seconds", "", "required"),
    ],
)
def test_it_rejects_nonsense_and_changes_nothing(
    alice: Client, project: Project, name: str, value: str, said: str
) -> None:
    branch = cast.branch(project, "main", Stage.PRODUCTION)

    page = save(alice, branch, **{"keep_minutes": 0, name: value})

    assert said in page
    branch.refresh_from_db()
    assert branch.keep_minutes == 15
    assert not AuditEntry.objects.exists()


def test_a_list_that_is_chosen_must_name_something(alice: Client, project: Project) -> None:
    branch = cast.branch(project, "fix")

    assert "Name the modules to install." in save(alice, branch, install="list", install_list=" ")


def test_it_deploys_what_serves_when_asked_to(alice: Client, project: Project) -> None:
    """The newest build failed: production isn't asked to try that one again."""
    branch = cast.branch(project, "main", Stage.PRODUCTION, instance=cast.instance(Stage.PRODUCTION, "demo.localhost"))
    served = cast.build(branch, pool=Pool.objects.get(), image_id="sha256:served")
    failed = cast.build(branch)

    save(alice, branch, workers=4, now="1")

    again = branch.builds.order_by("-pk")[0]
    assert again.commit == served.commit != failed.commit
    assert again.asked_by is not None


def test_more_containers_need_no_other_image(alice: Client, project: Project) -> None:
    branch = cast.branch(project, "main", Stage.PRODUCTION, instance=cast.instance(Stage.PRODUCTION, "demo.localhost"))
    served = cast.build(branch, pool=Pool.objects.get(), image_id="sha256:served")

    save(alice, branch, replicas=2, now="1")

    assert branch.builds.order_by("-pk")[0].image_of == served
    branch.refresh_from_db()
    assert branch.replicas == 2


def test_other_stages_build_the_newest_again(alice: Client, project: Project) -> None:
    branch = cast.branch(project, "fix")
    cast.build(branch)
    newest = cast.build(branch)

    save(alice, branch, run_tests="", now="1")

    again = branch.builds.order_by("-pk")[0]
    assert (again.commit, again.image_of) == (newest.commit, None)
    branch.refresh_from_db()
    assert not branch.run_tests


def test_a_branch_that_was_never_built_offers_no_build(alice: Client, project: Project) -> None:
    branch = cast.branch(project, "fix")

    assert 'name="now"' not in alice.get(address(branch)).content.decode()
    save(alice, branch, idle_minutes=60, now="1")
    assert not branch.builds.exists()
