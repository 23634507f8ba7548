"""Rows of instances and pools, and what stands for them in the make-believe world."""

from hosting import databases, pools, routing, switch
from hosting.engines.docker import ContainerSpec, ImageInfo
from hosting.models import Instance, Pool, Stage
from tests import cast
from tests.unit.fakes import World

COMMIT = "c" * 40


def instance(stage: Stage = Stage.PRODUCTION, hostname: str = "shop.localhost") -> Instance:
    """One with an empty database and no pool."""
    made = cast.instance(stage, hostname)
    made.live_pool, made.door, made.state = None, Instance.Door.STOPPED, Instance.State.NEW
    made.save()
    made.pools.all().delete()
    databases.create(made)
    return made


def pool(instance: Instance, world: World, label: str = "b1", replicas: int = 1) -> Pool:
    """The next generation; nothing of it runs."""
    image_id = f"sha256:{label}"
    labels = {"berth.commit": COMMIT, "berth.build": label}
    world.images[image_id] = ImageInfo(id=image_id, tags=(), labels=labels, size=1)
    return pools.create(
        instance,
        image_id=image_id,
        commit=COMMIT,
        build_label=label,
        addons_path=["/opt/berth/addons/0"],
        queue_job=False,
        replicas=replicas,
        workers=2,
        memory_mb=1536,
    )


def started(instance: Instance, world: World, label: str = "b1", replicas: int = 1) -> Pool:
    """A generation that may serve: its web containers run, and it has a slot."""
    made = pool(instance, world, label, replicas)
    pools.start_web(made)
    pools.come_first(made)
    routing.lend_slot(made)
    return made


def live(instance: Instance, world: World, label: str = "b1", replicas: int = 1) -> Pool:
    """A generation that serves."""
    made = started(instance, world, label, replicas)
    switch.switch_to(made)
    routing.apply(instance)
    if made.cron_workers:
        pools.start(made, "cron")
    instance.refresh_from_db()
    return Pool.objects.get(pk=made.pk)


def one_off(instance: Instance) -> ContainerSpec:
    """What a worker left at work on the database."""
    name = databases.one_off_name(instance)
    return ContainerSpec(name, "sha256:b1", ("odoo",), 1, 1, 1, env={"PGDATABASE": instance.database})
