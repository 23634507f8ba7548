"""Who sent a request to the API: `Authorization: Bearer berth_...`, and nothing else.

Sessions of the pages don't count, so that no other site can make a browser ask for anything.
"""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed, ParseError
from rest_framework.request import Request

from portal import apitokens
from portal.models import ApiToken, User

IN_ADDRESS = (
    "A token in an address ends up in logs and histories, so it is not taken from there. Consider it known to others: "
    "revoke it, make another one, and send that as 'Authorization: Bearer TOKEN'."
)


class TokenAuthentication(BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        if apitokens.PREFIX in request.META.get("QUERY_STRING", "") or "access_token" in request.GET:
            raise ParseError(IN_ADDRESS)
        scheme, _space, plain = request.headers.get("Authorization", "").partition(" ")
        if not scheme:
            return None
        if scheme.lower() != "bearer":
            raise AuthenticationFailed(f"Send a token as 'Authorization: Bearer TOKEN', not {scheme[:20]!r}.")
        try:
            token = apitokens.find(plain.strip())
        except apitokens.BadToken as error:
            raise AuthenticationFailed(f"{error} Make another one under Account, API tokens.") from error
        return token.user, token

    def authenticate_header(self, _request: Request) -> str:
        """RFC 6750; with it, who isn't known gets 401 instead of 403."""
        return 'Bearer realm="Berth"'


class InTheSchema(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = TokenAuthentication
    name = "token"

    def get_security_definition(self, _auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "A personal token: Account, API tokens."}
