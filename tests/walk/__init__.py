"""Who may ask what of an address: rules that say which tool it belongs to, from which projects.access.WEAKEST tells the
answers to everybody. What serves pages and what serves an API follow the same rules.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum, auto

from projects.access import WEAKEST, Rank, Tool
from projects.models import Stage

SIGN_IN, REFUSED, HIDDEN, NO_METHOD = 401, 403, 404, 405  # a page's way to say 401 is to lead to the sign-in page
STAGES = (Stage.DEVELOPMENT, Stage.STAGING, Stage.PRODUCTION)  # the order of the table's columns


class Who(StrEnum):
    ANONYMOUS = "anonymous"
    OUTSIDER = "outsider"
    DEVELOPER = "developer"
    TESTER = "tester"
    ADMIN = "admin"
    OPERATOR = "operator"


class Whose(StrEnum):
    """Whose object an address names."""

    OWN = "own"
    PUBLIC = "of a public project"
    FOREIGN = "foreign"
    SMUGGLED = "foreign below an own project's address"
    NESTED = "foreign below an own branch's or build's address"


class Scope(Enum):
    """What must be found before the tool is asked for."""

    ANYBODY = auto()  # nothing: not even a person
    PERSON = auto()
    OPERATOR = auto()
    PROJECT = auto()
    BRANCH = auto()
    BUILD = auto()


_RANKS = {Who.DEVELOPER: Rank.DEVELOPER, Who.TESTER: Rank.TESTER, Who.ADMIN: Rank.ADMIN}


def rank(who: Who, whose: Whose) -> Rank | None:
    """In the project that the address names; None where it must look as if there were none."""
    if who == Who.OPERATOR:
        return Rank.ADMIN
    visitor = Rank.VISITOR if whose == Whose.PUBLIC else None
    return visitor if whose == Whose.FOREIGN else _RANKS.get(who, visitor)


@dataclass(frozen=True)
class Rule:
    """`answers` are the status codes by method for those who may. Visitors get them where `visitors` are welcome.

    `only`: the stages that have it; `owner`: the only person who has it, as it was made for that one.
    """

    scope: Scope
    answers: Mapping[str, int]
    tool: Tool | None = None
    visitors: bool = False
    only: tuple[Stage, ...] = STAGES
    owner: Who | None = None

    def expected(self, who: Who, method: str, stage: Stage, whose: Whose) -> int:
        """The status code that `who` must get for an object of `stage`."""
        if self.scope == Scope.ANYBODY:
            return self.answers.get(method, NO_METHOD)
        if who == Who.ANONYMOUS and not self.visitors:
            return SIGN_IN
        code = self._answer(who, method, stage, whose) if method in self.answers else NO_METHOD
        return SIGN_IN if who == Who.ANONYMOUS and code == HIDDEN else code

    def _answer(self, who: Who, method: str, stage: Stage, whose: Whose) -> int:
        if self.scope == Scope.PERSON or (self.scope == Scope.OPERATOR and who == Who.OPERATOR):
            return self.answers[method]
        rank_here = rank(who, whose)
        if rank_here is None or self.scope == Scope.OPERATOR or not self._finds(rank_here, stage, whose):
            return HIDDEN
        if not self._may(rank_here, stage):
            return HIDDEN if rank_here == Rank.VISITOR else REFUSED
        foreign = whose in {Whose.SMUGGLED, Whose.NESTED}
        return HIDDEN if foreign or stage not in self.only or self.owner not in {None, who} else self.answers[method]

    def _finds(self, rank_here: Rank, stage: Stage, whose: Whose) -> bool:
        """Branches are for members. A foreign one isn't found below this project, whatever the role."""
        if self.scope == Scope.BRANCH and rank_here < _weakest(Tool.HISTORY, stage):
            return False
        return whose != Whose.SMUGGLED or self.scope == Scope.PROJECT

    def _may(self, rank_here: Rank, stage: Stage) -> bool:
        """What is of the whole project takes the role on one of its stages."""
        assert self.tool is not None
        stages = STAGES if self.scope == Scope.PROJECT else (stage,)
        return any(rank_here >= _weakest(self.tool, each) for each in stages)


def _weakest(tool: Tool, stage: Stage) -> Rank:
    return WEAKEST[tool][STAGES.index(stage)]
