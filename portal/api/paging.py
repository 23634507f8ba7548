"""Lists in pieces: newest first, with a cursor that stays right while rows are added."""

from typing import Any

from rest_framework.exceptions import NotFound
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request

from portal import numbers
from portal.api.reading import MOST


class Pages(CursorPagination):
    page_size = 30
    max_page_size = MOST
    page_size_query_param = "limit"
    ordering = "-pk"

    def decode_cursor(self, request: Request) -> Cursor | None:
        """Raises NotFound for one that isn't ours."""
        cursor = super().decode_cursor(request)
        if cursor is not None and cursor.position is not None and numbers.parse(str(cursor.position)) is None:
            raise NotFound(self.invalid_cursor_message)
        return cursor

    def get_schema_operation_parameters(self, _view: Any) -> list[dict[str, Any]]:
        return []  # `Paged` has them
