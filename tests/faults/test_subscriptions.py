"""Codes that can't be used, and a trial that ends while a build runs, on the real path."""

import html
import os
import re
from collections.abc import Iterator
from typing import Any

import pytest

from deploy.processes import CHECKOUT, PYTHON
from portal.commands import run
from tests.clone import Clone
from tests.faults.test_stage_moves import attach, built, clone, mark, move, retired, until
from tests.holding import Moment, hold
from tests.installation import STATIC_FILE, Installation
from tests.portal import Portal

__all__ = ["clone", "mark"]
pytestmark = pytest.mark.faults
OVER = 30 * 24  # hours
REFUSED = {
    "NO-SUCH-CODE": "is unknown",
    "FAULT-OLD": "has ended",
    "FAULT-APPS": "neither a partnership nor an enterprise subscription that includes hosting",
}


def code(installation: Installation, *arguments: str) -> str:
    """A new one; what is printed begins with it."""
    return installation.berth("subscription", *arguments).split()[0]


def how_it_stands(installation: Installation) -> dict[str, Any]:
    (row,) = installation.query(
        "SELECT subscription_id, trial_hours, ended_hours FROM projects_project WHERE slug = %s",
        installation.demo()["project"],
    )
    return row


def told(page: str) -> str:
    """The refusal of a page, in one line."""
    found = re.search(r'<section class="refusal".*?</section>', page, re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", found[0])).split()) if found else ""


@pytest.fixture
def codes(installation: Installation) -> None:
    known = installation.berth("subscription", "list")
    for name, kind in (("FAULT-OLD", "enterprise"), ("FAULT-APPS", "apps"), ("FAULT-PARTNER", "partner")):
        if name not in known:
            code(installation, "add", name, "--kind", kind)
    code(installation, "end", "FAULT-OLD", "--on", "2020-01-01")


def test_a_code_that_can_not_be_used_is_refused_with_the_reason(installation: Installation, codes: None) -> None:
    slug, before = installation.demo()["project"], how_it_stands(installation)
    said = {}
    with Portal(installation) as portal:
        for each in (*REFUSED, "FAULT-PARTNER"):
            portal.page(f"/{slug}/settings/subscription/")
            said[each] = told(portal.post(f"/{slug}/settings/subscription/", code=each))
    assert how_it_stands(installation) == before
    for each, reason in (REFUSED | {"FAULT-PARTNER": "a partner's code"}).items():
        assert reason in said[each], said
        assert "goes on as before" in said[each]


def test_no_project_is_made_with_a_code_that_is_in_use(installation: Installation, codes: None) -> None:
    (row,) = installation.query(
        "SELECT s.code FROM projects_subscription s JOIN projects_project p ON p.subscription_id = s.id"
        " WHERE p.slug = %s",
        installation.demo()["project"],
    )
    form = {"repository": "acme/other", "name": "Other", "slug": "other-one", "series": "18.0"}
    with Portal(installation) as portal:
        portal.page("/new/")
        said = {each: told(portal.post("/new/", code=each, **form)) for each in (*REFUSED, row["code"])}
    for each, reason in (REFUSED | {row["code"]: "in use by another project"}).items():
        assert reason in said[each], said
        assert "No project was created" in said[each]
    assert installation.query("SELECT id FROM projects_project WHERE slug = 'other-one'") == []


def look_after(installation: Installation) -> None:
    """The round of each minute, now."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("BERTH_", "DJANGO_"))}
    argv = [str(PYTHON), "manage.py", "shell", "-c", "from builds import plans; plans.look_after()"]
    run(argv, timeout=120, cwd=CHECKOUT, env=kept | {"BERTH_HOME": str(installation.home)})


@pytest.fixture
def trial(installation: Installation) -> Iterator[None]:
    """The demo in the last hour of a trial; afterwards it has its subscription again."""
    before, slug = how_it_stands(installation)["subscription_id"], installation.demo()["project"]
    change = "UPDATE projects_project SET subscription_id = %s, trial_hours = %s WHERE slug = %s"
    installation.query(change, None, OVER - 1, slug)
    yield
    installation.query(change, before, None, slug)
    look_after(installation)


def test_a_trial_that_ends_while_a_build_runs(installation: Installation, mark: str, clone: Clone, trial: None) -> None:
    """The build comes to its end, then all is stopped; a code keeps it, and production goes on with its rows."""
    sha = clone.push({STATIC_FILE: "first\n"}, "First", "on-trial")
    assert installation.wait_for_build(sha).result == "success"
    move(installation, "on-trial", "staging")
    first = built(installation, sha, "staging")
    assert first.result == "success", first
    with hold(installation, "start_pool", Moment.ENDS) as held:
        sha = clone.push({STATIC_FILE: "second\n"}, "Second", "on-trial")
        held.wait()
        installation.query("UPDATE projects_project SET trial_hours = %s WHERE subscription_id IS NULL", OVER)
        look_after(installation)
    second = installation.wait_for_build(sha)
    row = retired(installation)
    until(lambda: "This database is locked" in installation.answer("/web/login", second).text)
    gone = installation.answer("/web/login").status
    late = clone.push({STATIC_FILE: "third\n"}, "Third", "on-trial")
    until(lambda: installation.branch(name="on-trial")["head"] == late)
    unbuilt = installation.builds(late)
    with Portal(installation) as portal:
        banner = portal.page(f"/{installation.demo()['project']}/builds/")
        portal.page(f"/{installation.demo()['project']}/settings/subscription/")
        portal.post(f"/{installation.demo()['project']}/settings/subscription/", code=code(installation, "add"))
    until(lambda: installation.answer("/web/login", second).status == 200)
    kept = installation.query("SELECT hours_left FROM hosting_instance WHERE id = %s", row["instance_id"])
    again = attach(installation, row)
    assert second.result == "success", second
    assert row["result"] == "success", row
    assert (gone, unbuilt) == (404, [])
    assert "The trial is over and the databases are stopped. They are deleted in 30 days." in banner
    assert kept == [{"hours_left": None}]
    assert again.result == "success", again
    assert again.instance == row["instance_id"]
