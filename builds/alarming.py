"""Who is told of an alarm: the operator, and the admins of the project that it is about."""

import logging

from django.db.models import Q

from portal import alarms
from portal.models import Alarm, User
from portal.rounds import alone
from projects.models import Role

log = logging.getLogger(__name__)


@alone
def tell_all() -> None:
    """Every minute: tell of the alarms that nobody was told of yet."""
    for alarm in alarms.going_on().filter(told_at=None):
        try:
            alarms.tell(alarm, addresses(alarm))
        except OSError as error:
            log.warning("mails of an alarm, which are tried again: %s", error)


def addresses(alarm: Alarm) -> list[str]:
    """Of all who have one, each once."""
    admins = Q(memberships__project_id=alarm.project_id, memberships__role=Role.ADMIN)
    operators = Q(is_superuser=True) if alarm.on_pages else Q()  # how their subscription stands is the admins' affair
    people = User.objects.filter(operators | admins, is_active=True).exclude(email="")
    return sorted(set(people.values_list("email", flat=True)))
