"""REST: the user who calls, and other users."""

from collections.abc import Sequence

from starlette.responses import Response

from tests.fakehub import shapes
from tests.fakehub.rest import Address, Call, json_answer, not_found, page
from tests.fakehub.store import Repository


def get_user(call: Call) -> Response:
    return json_answer(shapes.private_user(call.hub, call.account))


def list_emails(call: Call) -> Response:
    account = call.account
    call.need_scope("user", "user:email")
    return json_answer([shapes.email(account)])


def list_user_repositories(call: Call) -> Response:
    account, token = call.account, call.token
    visible: Sequence[Repository] = call.hub.store.select(
        Repository,
        "owner_id = ? or id in (select repository_id from collaborator where account_id = ?) order by id",
        account.id,
        account.id,
    )
    if token and "repo" not in token.scopes.split(","):
        visible = [repository for repository in visible if not repository.private]
    return page(call, visible, lambda repository: shapes.repository(call.hub, repository, account))


def get_account(call: Call) -> Response:
    account = call.hub.account(call.path("login"))
    if not account:
        raise not_found()
    return json_answer(shapes.public_user(call.hub, account))


ADDRESSES = [
    Address("GET", "/user", get_user),
    Address("GET", "/user/emails", list_emails),
    Address("GET", "/user/repos", list_user_repositories),
    Address("GET", "/users/{login}", get_account),
]
