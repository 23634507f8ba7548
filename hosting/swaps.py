"""A database made beside an instance takes the place of its own, with its files. What was there lies aside, whole, and
can be put back at once: nothing is copied, only renamed.

Nobody may use the instance meanwhile: its requests are held, or its pools stopped.
"""

import shutil
from pathlib import Path

from hosting import databases, filestores, machines
from hosting.models import Instance


def aside_folder(instance: Instance, label: str) -> Path:
    return machines.folder(instance) / label


def swap_in(instance: Instance, beside: Instance, label: str) -> None:
    """The database and files of `beside` become the instance's; its own are kept under `label`. Safe to repeat."""
    server = machines.cluster(instance.database_server)
    former = databases.aside(instance, label)
    databases.end_one_off(instance)
    if beside.database in server.databases(beside.database):
        server.hand_over_database(beside.database, instance.database)
        server.exchange_database(instance.database, by=beside.database, keep=former)
    filestores.put_aside(instance, aside_folder(instance, label))
    filestores.move_in(instance, beside)


def swap_back(instance: Instance, label: str) -> bool:
    """What lies aside becomes the instance's database again, with its files; what took its place is gone.

    Returns whether there was anything. Safe to repeat.
    """
    there = is_aside(instance, label)
    there = databases.take_its_place(instance, label) or there
    filestores.bring_back(instance, aside_folder(instance, label))
    return there


def is_aside(instance: Instance, label: str) -> bool:
    """Whether what was there before is still there. A name is all that it got: it is whole from the first moment, also
    where its owner, who may, gave it the connection limit by which a copy is told to be unfinished.
    """
    former = databases.aside(instance, label)
    return former in machines.cluster(instance.database_server).databases(former)


def forget(instance: Instance, label: str) -> None:
    """What lies aside goes for good."""
    databases.drop_aside(instance, label)
    shutil.rmtree(aside_folder(instance, label), ignore_errors=True)
