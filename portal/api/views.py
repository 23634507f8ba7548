"""What all views of the API share."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from django.http import Http404
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal.api.paging import Pages


class ApiView(APIView):
    """A view whose methods are declared by portal.api.operations. `tag` groups it in the docs; a method that reads puts
    into `context` what rows have to know of who asks.
    """

    tag = ""
    context: Mapping[str, Any] = MappingProxyType({})
    pagination_class = Pages  # for the schema

    def finalize_response(self, request: Request, response: Response, *arguments: Any, **named: Any) -> Response:
        """With the token's rate, and for nobody's cache."""
        final = super().finalize_response(request, response, *arguments, **named)
        for name, value in getattr(request, "rate_limit", {}).items():
            final[name] = value
        final["Cache-Control"] = "no-store"
        return final


class Unknown(APIView):
    """Any other address below the API's: a problem in the API's own form."""

    permission_classes = (AllowAny,)
    schema = None

    def initial(self, *_arguments: Any, **_named: Any) -> None:
        raise Http404

    def get(self, _request: Request, **_at: Any) -> Response:
        raise Http404
