"""What the API does, beyond who may: the same as the pages, with an operation to follow."""

from types import SimpleNamespace
from typing import Any

import pytest

from builds.models import Build, Restore, Rollback
from hosting.models import Backup, Pool, Vault
from portal import clock
from portal.models import AuditEntry, Result, State, Story
from projects.models import Branch, Stage
from tests import cast
from tests.apis import Caller

HEAD = "a" * 40


@pytest.fixture
def shop(people: SimpleNamespace) -> SimpleNamespace:
    """Production that serves, with the build before it whose pool is kept, and a development branch."""
    project = cast.project("demo", people)
    main = cast.branch(
        project, "main", Stage.PRODUCTION, instance=cast.instance(Stage.PRODUCTION, "demo.localhost"), head=HEAD
    )
    assert main.instance is not None
    kept = Pool.objects.create(
        instance=main.instance, generation=2, state=Pool.State.KEPT, image_id="b", commit="1" * 40, build_label="b"
    )
    old = cast.build(main, pool=kept)
    new = cast.build(main, pool=main.instance.live_pool, switched_at=clock.now())
    dev = cast.branch(project, "dev", head=HEAD)
    return SimpleNamespace(project=project, main=main, old=old, new=new, dev=dev, alice=Caller(people.alice))


def backup_of(shop: SimpleNamespace, **fields: Any) -> Backup:
    shop.project.vault = Vault.objects.create()
    shop.project.save()
    values: dict[str, Any] = {"proof": Backup.Proof.PROVEN, "state": State.DONE, "snapshot": "a"}
    values |= {"kind": Backup.Kind.MANUAL, "taken_at": clock.now(), "result": Result.SUCCESS}
    return Backup.objects.create(vault=shop.project.vault, instance=shop.main.instance, **(values | fields))


def test_a_deploy_is_accepted_with_an_operation_to_follow(shop: SimpleNamespace) -> None:
    answer = shop.alice.send("post", f"projects/demo/branches/{shop.dev.pk}/deploy/")

    build = Build.objects.get(branch=shop.dev)
    assert (answer.status_code, answer.json()["id"]) == (202, build.story_id)
    assert answer["Location"].endswith(f"/api/v1/projects/demo/operations/{build.story_id}/")
    assert (answer.json()["state"], answer.json()["confirmed"]) == ("queued", None)
    assert (build.commit, build.asked_by) == (HEAD, shop.alice.token.user)


def test_the_end_of_a_deploy_is_read_from_what_serves_not_from_its_story(shop: SimpleNamespace) -> None:
    """A story that says success, of a build that never got a request, confirms nothing."""
    never = cast.build(shop.main, result=Result.SUCCESS)

    ended = [shop.alice.send("get", f"projects/demo/operations/{each.story_id}/").json() for each in (never, shop.new)]

    assert [each["result"] for each in ended] == ["success", "success"]
    assert [each["confirmed"] for each in ended] == [False, True]
    assert "never served" in ended[0]["finding"]
    assert "serves, at commit" in ended[1]["finding"]


def test_a_dry_run_says_what_it_does_and_does_nothing(shop: SimpleNamespace) -> None:
    backup, before = backup_of(shop), (Story.objects.count(), AuditEntry.objects.count())
    main = f"projects/demo/branches/{shop.main.pk}"
    asked = {
        f"{main}/deploy/": {},
        f"projects/demo/builds/{shop.old.number}/rebuild/": {},
        f"projects/demo/builds/{shop.old.number}/roll-back/": {},
        f"projects/demo/builds/{shop.old.number}/deploy-again/": {},
        f"{main}/move/": {"stage": "development"},
        f"projects/demo/backups/{backup.pk}/restore/": {},
    }

    answers = {path: shop.alice.send("post", f"{path}?dry_run=1", body) for path, body in asked.items()}
    path = f"projects/demo/backups/{backup.pk}/?dry_run=1"
    answers[path] = shop.alice.send("delete", path)

    for path, answer in answers.items():
        assert answer.status_code == 200, (path, answer.content)
        assert answer.json()["would"], path
        assert answer.json()["refused"] == "", path
    assert (Story.objects.count(), AuditEntry.objects.count()) == before
    shop.main.refresh_from_db()
    assert shop.main.stage == Stage.PRODUCTION
    assert answers[f"projects/demo/backups/{backup.pk}/restore/"].json()["lost"]


def test_a_dry_run_foretells_the_refusal_that_comes(shop: SimpleNamespace) -> None:
    path = f"projects/demo/branches/{shop.dev.pk}/move/"

    foretold = shop.alice.send("post", f"{path}?dry_run=true", {"stage": "production"}).json()
    refused = shop.alice.send("post", path, {"stage": "production"})

    assert "exactly one" in foretold["refused"]
    assert foretold["would"] == []
    assert refused.status_code == 409
    assert foretold["refused"] in refused.json()["detail"]
    assert "Merge dev into main" in refused.json()["remedy"]


def test_a_rollback_is_followed_to_what_serves(shop: SimpleNamespace) -> None:
    answer = shop.alice.send("post", f"projects/demo/builds/{shop.old.number}/roll-back/")

    row = Rollback.objects.get()
    assert (answer.status_code, answer.json()["id"]) == (202, row.story_id)
    assert row.story is not None
    Story.objects.filter(pk=row.story.pk).update(state=State.DONE, result=Result.SUCCESS)
    operation = shop.alice.send("get", f"projects/demo/operations/{row.story_id}/").json()
    assert (operation["result"], operation["confirmed"]) == ("success", False)  # nothing was switched


def test_a_rollback_to_a_pool_that_is_gone_is_refused_with_a_way(shop: SimpleNamespace) -> None:
    Pool.objects.filter(pk=shop.old.pool_id).update(state=Pool.State.GONE)

    answer = shop.alice.send("post", f"projects/demo/builds/{shop.old.number}/roll-back/")

    assert (answer.status_code, answer["Content-Type"]) == (409, "application/problem+json")
    assert answer.json()["remedy"] == "Deploy it again."
    assert not Rollback.objects.exists()


def test_a_restore_takes_the_name_of_the_project(shop: SimpleNamespace) -> None:
    path = f"projects/demo/backups/{backup_of(shop).pk}/restore/"

    assert [shop.alice.send("post", path, body).status_code for body in ({}, {"confirm": "other"})] == [409, 409]
    assert not Restore.objects.exists()

    assert shop.alice.send("post", path, {"confirm": "demo"}).status_code == 202
    assert Restore.objects.get().branch == shop.main


def test_a_restore_is_cancelled_by_its_operation(shop: SimpleNamespace) -> None:
    path = f"projects/demo/backups/{backup_of(shop).pk}/restore/"
    number = shop.alice.send("post", path, {"confirm": "demo"}).json()["id"]

    assert shop.alice.send("post", f"projects/demo/operations/{number}/cancel/").status_code == 202
    assert Story.objects.get(pk=number).cancel_requested
    assert AuditEntry.objects.filter(verb="cancel restore").exists()


def test_retiring_production_takes_the_name_of_the_branch(shop: SimpleNamespace) -> None:
    path = f"projects/demo/branches/{shop.main.pk}/move/"

    assert shop.alice.send("post", path, {"stage": "development"}).status_code == 409
    answer = shop.alice.send("post", path, {"stage": "development", "confirm": "main"})

    assert answer.status_code == 202
    operation = shop.alice.send("get", f"projects/demo/operations/{answer.json()['operation']}/").json()
    assert (operation["kind"], operation["state"]) == ("retire", "queued")
    assert answer.json()["branch"]["stage"] == "production"  # until the operation has moved it


def test_a_move_in_rows_alone_is_there_at_once_with_its_build(shop: SimpleNamespace) -> None:
    answer = shop.alice.send("post", f"projects/demo/branches/{shop.dev.pk}/move/", {"stage": "staging"}).json()

    assert answer["branch"]["stage"] == "staging"
    assert answer["operation"] == Build.objects.get(branch=shop.dev).story_id


def test_settings_change_and_what_is_not_named_stays(shop: SimpleNamespace) -> None:
    path = f"projects/demo/branches/{shop.dev.pk}/settings/"
    Branch.objects.filter(pk=shop.dev.pk).update(run_tests=False, install_list=["sale", "stock"], install="list")

    answer = shop.alice.send("patch", path, {"idle_minutes": 7})

    assert answer.status_code == 200, answer.content
    shown = answer.json()
    assert (shown["idle_minutes"], shown["run_tests"], shown["install_list"]) == (7, False, ["sale", "stock"])
    assert AuditEntry.objects.get(verb="change branch settings").after == {"idle_minutes": 7}


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({"workers": 4}, "workers", 409),  # of production alone
        ({"idle_minutes": 0}, "idle_minutes", 400),
        ({"memory": 4}, "memory", 400),
        ({"probe_path": "//evil"}, "probe_path", 409),
        ({"install_list": ["../x"]}, "install_list", 409),
    ],
)
def test_settings_that_make_no_sense_are_refused_by_name(
    body: dict[str, Any], field: str, code: int, shop: SimpleNamespace
) -> None:
    answer = shop.alice.send("patch", f"projects/demo/branches/{shop.dev.pk}/settings/", body)

    assert answer.status_code == code
    assert field in [each["name"] for each in answer.json()["errors"]]


@pytest.mark.parametrize(
    "body", [{"idle_minutes": "7"}, {"idle_minutes": True}, {"test_tags": 7}, {"run_tests": "yes"}]
)
def test_a_value_of_another_type_is_not_made_to_fit(body: dict[str, Any], shop: SimpleNamespace) -> None:
    assert shop.alice.send("patch", f"projects/demo/branches/{shop.dev.pk}/settings/", body).status_code == 400


def test_too_little_memory_is_refused_unless_one_insists(shop: SimpleNamespace) -> None:
    path = f"projects/demo/branches/{shop.dev.pk}/resize/"

    assert shop.alice.send("post", path, {"memory_mb": 300}).status_code == 409
    assert shop.alice.send("post", path, {"memory_mb": 300, "insist": True}).status_code == 202


def test_a_log_is_read_on_from_its_cursor_to_its_end(shop: SimpleNamespace) -> None:
    step = shop.new.story.steps.get(name="fetch")
    for number in range(150):
        cast.output(step, f"line {number}\n")
    path, query, read = f"projects/demo/builds/{shop.new.number}/steps/fetch/log/", "", ""

    for _turn in range(9):
        page = shop.alice.send("get", f"{path}?{query}").json()
        read += "".join(item["text"] for item in page["items"] if item["kind"] == "output")
        query = f"after={page['after']}&command={page['command']}"
        if not page["more"]:
            break

    assert read.count("line ") == 150
    assert read.endswith("line 149\n")
    streamed = shop.alice.send("get", f"{path.removesuffix('/')}.txt")
    assert read in b"".join(streamed.streaming_content).decode()


def test_a_list_comes_in_pages_that_miss_nothing(shop: SimpleNamespace) -> None:
    for _number in range(5):
        cast.build(shop.dev, with_steps=False)
    path, numbers = "projects/demo/builds/?limit=3", []

    while path:
        page = shop.alice.send("get", path).json()
        numbers += [row["number"] for row in page["results"]]
        path = (page["next"] or "").partition("/api/v1/")[2]
        if len(numbers) == 3:
            cast.build(shop.dev, with_steps=False)  # comes before what was read

    assert numbers == [7, 6, 5, 4, 3, 2, 1]


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "stage=moon", "nothing=1", "limit=1&limit=2"])
def test_a_parameter_that_is_not_understood_is_not_ignored(query: str, shop: SimpleNamespace) -> None:
    assert shop.alice.send("get", f"projects/demo/builds/?{query}").status_code == 400


def test_a_cursor_that_is_none_of_ours_finds_nothing(shop: SimpleNamespace) -> None:
    for cursor in ("x", "cD14", "cD05OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5"):
        assert shop.alice.send("get", f"projects/demo/builds/?cursor={cursor}").status_code == 404


def test_who_loses_the_role_while_a_log_is_followed_reads_no_more(shop: SimpleNamespace) -> None:
    path = f"projects/demo/builds/{shop.new.number}/steps/fetch/log/"
    assert shop.alice.send("get", path).status_code == 200

    shop.project.members.filter(user=shop.alice.token.user).update(role="developer")

    assert shop.alice.send("get", f"{path}?after=1").status_code == 403
