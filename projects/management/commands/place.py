"""Places to which all vaults are copied: named, tried, shown and taken away by the operator."""

import sys
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.validators import validate_slug
from django.db import transaction

from hosting import places
from hosting.engines import remote
from hosting.engines.restic import ResticError
from hosting.models import Place
from portal import alarms, audit, clock
from portal.secrets import new_password

FORMS = "; ".join(remote.FORMS)


class Command(BaseCommand):
    help = "Name the places to which all backups are copied."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        verbs.add_parser("list", help="which there are, and how their copies do")
        add = verbs.add_parser("add", help="for S3, give AWS_ACCESS_KEY_ID=... and the rest on stdin, a line each")
        add.add_argument("name")
        add.add_argument("address", help=FORMS)
        add.add_argument("--keeps-all", action="store_true", help="what lies there can't be altered: nothing is let go")
        add.add_argument("--key-file", type=Path, help="a private SSH key; without it a new one is made")
        for verb, text in (("try", "see whether it answers"), ("remove", "forget it; what lies there stays")):
            verbs.add_parser(verb, help=text).add_argument("name")

    def handle(self, *_args: Any, verb: str, **options: Any) -> None:
        {"list": self._list, "add": self._add, "try": self._try, "remove": self._remove}[verb](**options)

    def _list(self, **_options: Any) -> None:
        for place in Place.objects.alive().prefetch_related("copies__vault"):
            self.stdout.write(f"{place}  {place.address}{'  keeps all' if place.keeps_all else ''}")
            for copy in place.copies.all():
                state = f"whole on {copy.done_at:%Y-%m-%d at %H:%M}" if copy.done_at else "not copied yet"
                of = f"{copy.vault}, {copy.backups.count()} backups" if copy.vault else "the installation itself"
                self.stdout.write(f"  {of}: {copy.error or state}")

    @transaction.atomic
    def _add(self, *, name: str, address: str, keeps_all: bool, key_file: Path | None, **_options: Any) -> None:
        validate_slug(name)
        public = ""
        place = Place(name=name, address=address, keeps_all=keeps_all)
        if address.startswith("sftp:"):
            place.account, public = (key_file.read_text(), "") if key_file else new_key()
        elif address.startswith("s3:"):
            place.account = sys.stdin.read().strip()
        wrong = remote.wrong_address(address) or remote.wrong_account(address, place.account)
        if wrong or Place.objects.filter(name=name).exists():
            raise CommandError(f"{wrong or f'There is a place {name} already.'} Nothing was changed.")
        place.save()
        audit.record(by=None, verb="add a place for backups", object=name, after=address)
        self.stdout.write(f"{name}: every vault is copied to {address} from now on; bin/berth place try {name}")
        if public:
            self.stdout.write(f"Put this into ~/.ssh/authorized_keys there:\n{public}")

    def _try(self, *, name: str, **_options: Any) -> None:
        try:
            with places.opened(_place(name), "nothing", new_password()) as repository:
                repository.exists()
        except ResticError as error:
            raise CommandError(f"{name} does not answer: {error}") from error
        self.stdout.write(f"{name} answers.")

    @transaction.atomic
    def _remove(self, *, name: str, **_options: Any) -> None:
        place = _place(name)
        audit.record(by=None, verb="remove a place for backups", object=name, before=place.address)
        for copy in place.copies.all():
            alarms.end(copy.alarm)
        former = f"{name[:20]}-{place.pk}-removed"  # the name may be given again
        Place.objects.filter(pk=place.pk).update(removed_at=clock.now(), name=former, account="")
        self.stdout.write(f"{name}: nothing is copied there any more. What lies there stays.")


def _place(name: str) -> Place:
    found = Place.objects.alive().filter(name=name).first()
    if found is None:
        raise CommandError(f"There is no place {name}: see bin/berth place list.")
    return found


def new_key() -> tuple[str, str]:
    """A private SSH key and its public half."""
    key = Ed25519PrivateKey.generate()
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    shown = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return secret.decode(), f"{shown.decode()} berth"
