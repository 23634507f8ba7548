"""The cast of the tests and the rows around them: Alice (admin), Tom (tester), Dev (developer), Oscar (outsider)."""

from datetime import timedelta
from types import SimpleNamespace

from builds.models import Build, Parked, Restore, Upload
from hosting.models import Alias, DatabaseServer, Host, Instance, Mail, Pool
from portal import clock
from portal.models import Command, LogChunk, Result, State, Step, Story, User
from projects.git import ssh_place
from projects.models import Branch, DeployKey, Domain, Member, Project, Role, Stage

STEPS = ("fetch", "inspect", "build_image", "prepare_database", "start_pool", "prove", "switch", "drain")


def person(name: str, **fields: object) -> User:
    return User.objects.create(username=name.lower(), first_name=name, github_login=name.lower(), **fields)


def people() -> SimpleNamespace:
    return SimpleNamespace(**{name.lower(): person(name) for name in ("Alice", "Tom", "Dev", "Oscar")})


def host() -> Host:
    made, _new = Host.objects.get_or_create(
        name="here", defaults={"region": "here", "docker_url": "unix:///var/run/docker.sock", "subnet": "10.1.0.0/16"}
    )
    return made


def project(slug: str, cast: SimpleNamespace | None = None, **fields: object) -> Project:
    """A project with its members from the cast, and no branch yet."""
    defaults = {"name": slug.title(), "series": "18.0", "repository": f"acme/{slug}", "provider_id": f"id-{slug}"}
    made = Project.objects.create(
        slug=slug, host=host(), clone_url=f"https://github.com/acme/{slug}.git", **(defaults | fields)
    )
    if cast is not None:
        for user, role in ((cast.alice, Role.ADMIN), (cast.tom, Role.TESTER), (cast.dev, Role.DEVELOPER)):
            Member.objects.create(project=made, user=user, role=role)
    return made


def instance(stage: Stage, hostname: str) -> Instance:
    purpose = DatabaseServer.Purpose.HOSTED if stage == Stage.PRODUCTION else DatabaseServer.Purpose.LAB
    server, _new = DatabaseServer.objects.get_or_create(purpose=purpose, defaults={"host": host()})
    made = Instance.objects.create(
        host=host(), database_server=server, stage=stage, series="18.0", hostname=hostname, state=Instance.State.READY
    )
    made.live_pool = Pool.objects.create(
        instance=made, generation=1, state=Pool.State.LIVE, image_id="sha256:0", commit="0" * 40, build_label="b1"
    )
    made.door = Instance.Door.OPEN
    made.save()
    return made


def mail(instance: Instance | None, raw: bytes = b"Subject: Hello\r\n\r\nHello.\r\n", **fields: object) -> Mail:
    assert instance is not None
    values = {"sender": "shop@example.com", "recipients": "bob@example.com", "subject": "Hello"} | fields
    return Mail.objects.create(instance=instance, raw=raw, size=len(raw), **values)


def upload(branch: Branch, by: User, result: Result = Result.SUCCESS, **error: str) -> Upload:
    """An archive that `by` brought for the branch, and that was looked at."""
    found = {
        "form": "zip", "bytes": 5_000_000, "series": "18.0", "database": "shop", "enterprise": False, "files": 12,
        "modules": {"base": "1", "web": "1"}, "missing": [],
    }  # fmt: skip
    made = Upload.objects.create(
        branch=branch, asked_by=by, name="shop.zip", size_bytes=1_000_000, received_bytes=1_000_000, found=found,
        state=State.DONE, result=result,
    )  # fmt: skip
    made.story = Story.objects.create(
        kind="upload", queue="background", subject=f"upload-{made.pk}", object_id=made.pk, state=State.DONE,
        result=result, **error,
    )  # fmt: skip
    made.save(update_fields=["story"])
    return made


def imported(branch: Branch) -> Restore:
    """An import that made the database that serves the branch."""
    pool = branch.instance.live_pool if branch.instance else None
    done = {"state": State.DONE, "result": Result.SUCCESS, "switched_at": clock.now()}
    return Restore.objects.create(branch=branch, imported=True, pool=pool, **done)


def parked(restore: Restore, record_id: int = 7) -> Parked:
    """A scheduled action that the import switched off."""
    return Parked.objects.create(restore=restore, kind=Parked.Kind.ACTION, record_id=record_id, name="Send mails")


def deploy_key(project: Project, url: str = "git@github.com:acme/lib.git", **fields: object) -> DeployKey:
    values = {"place": ssh_place(url), "private": "a private half", "public": "ssh-ed25519 AAAA berth"} | fields
    return DeployKey.objects.create(project=project, url=url, **values)


def branch(project: Project, name: str, stage: Stage = Stage.DEVELOPMENT, **fields: object) -> Branch:
    return Branch.objects.create(project=project, name=name, stage=stage, **fields)


def domain(branch: Branch, name: str, *, proven: bool = False) -> Domain:
    """A custom domain of the branch, which leads to what serves it where it is proven."""
    made = Domain.objects.create(project=branch.project, branch=branch, name=name)
    if proven:
        made.alias = Alias.objects.create(hostname=name, instance=branch.instance)
        made.proven_at, made.proof = clock.now(), Domain.Proof.CNAME
        made.save()
    return made


def build(
    branch: Branch, *, result: Result | None = Result.SUCCESS, with_steps: bool = True, **fields: object
) -> Build:
    """A build that ended with `result`, or goes on where that is None, with a story and its steps."""
    project, now = branch.project, clock.now()
    project.builds_counted += 1
    project.save(update_fields=["builds_counted"])
    done = result is not None
    times = {"started_at": now - timedelta(seconds=48), "finished_at": now - timedelta(seconds=7) if done else None}
    state = State.DONE if done else State.RUNNING
    story = Story.objects.create(
        kind="deploy",
        queue="deploy",
        subject=branch.subject if done else f"{branch.subject}-{project.builds_counted}",
        object_id=0,
        state=state,
        result=result or Result.NONE,
        **times,
    )
    made = Build.objects.create(
        **{
            "project": project,
            "branch": branch,
            "number": project.builds_counted,
            "stage": branch.stage,
            "commit": f"{project.builds_counted:07x}".rjust(7, "a") + "c" * 33,
            "message": "Show the due date on the invoice\n\nAsked for by accounting.",
            "author": "Dev",
            "state": state,
            "result": result or Result.NONE,
            "story": story,
            "instance": branch.instance,
            **times,
            **fields,
        }
    )
    Story.objects.filter(pk=story.pk).update(object_id=made.pk)
    if with_steps:
        _steps(story, result)
    return made


def _steps(story: Story, result: Result | None) -> None:
    """All steps done, or the third failed, or goes on."""
    for position, name in enumerate(STEPS):
        at = clock.now() - timedelta(seconds=48 - 5 * position)
        step = Step(story=story, name=name, title=name.replace("_", " ").capitalize(), position=position)
        if position < 2 or result in {Result.SUCCESS, Result.WARNING}:
            step.state, step.result = State.DONE, Result.SUCCESS
            step.started_at, step.finished_at = at, at + timedelta(seconds=4.2)
        elif position == 2 and result is None:
            step.state, step.started_at = State.RUNNING, at
        elif position == 2:
            step.state, step.result = State.DONE, result or Result.NONE
            step.started_at, step.finished_at = at, at + timedelta(seconds=9)
        step.save()
        if step.state != State.QUEUED:
            output(step, f"{step.title} begins\n2026-11-21 20:56:29,859 11 INFO b_i1 odoo.modules: {name} <ok>\n")


def output(step: Step, text: str, *argv: str, exit_code: int | None = 0) -> LogChunk:
    """Some output of a step, of the command `argv` where there is one."""
    command = None
    if argv:
        command = Command.objects.create(step=step, argv=argv, exit_code=exit_code, finished_at=clock.now())
    return LogChunk.objects.create(step=step, command=command, text=text)
