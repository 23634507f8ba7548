"""Archives of databases that people bring: sent in pieces, looked at, imported; and what an import switched off."""

from typing import IO, Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from builds import importing, parked
from builds import upload as uploads
from builds.access import import_or_404, upload_or_404, uploads_of
from builds.api import foretelling
from builds.api.confirming import Confirmed, confirm
from builds.api.operations import FOLLOWED, accepted
from builds.api.rows import BIGGEST, OperationError
from builds.models import Parked, Restore, Upload
from hosting import imports
from portal.accounts import person
from portal.api.foretold import Foretold
from portal.api.operations import lists, reads, sends, writes
from portal.api.reading import Raw
from portal.api.views import ApiView
from portal.models import Scope
from portal.stories import PlatformError
from projects.access import Access, Tool, branch_or_404
from projects.models import Branch


# --- brought ----------------------------------------------------------------------------------------------------------
class UploadRow(serializers.ModelSerializer[Upload]):
    operation = serializers.IntegerField(
        source="story_id", allow_null=True, read_only=True, help_text="That looks at it, once all of it is there."
    )

    class Meta:
        model = Upload
        fields: tuple[str, ...] = (
            "id",
            "name",
            "size_bytes",
            "received_bytes",
            "state",
            "result",
            "operation",
            "created_at",
            "used_at",
        )
        read_only_fields: tuple[str, ...] = fields


class FoundInArchive(serializers.Serializer[Any]):
    form = serializers.CharField(help_text="zip: that of Odoo; custom: that of pg_dump, without files.")
    bytes = serializers.IntegerField(help_text="Unpacked, about.")
    series = serializers.CharField(help_text="Of Odoo; empty where it is only seen when it is restored.")
    database = serializers.CharField()
    enterprise = serializers.BooleanField()
    files = serializers.IntegerField()
    modules = serializers.DictField(child=serializers.CharField(), help_text="That it needs, with their versions.")
    missing = serializers.ListField(
        child=serializers.CharField(), required=False, help_text="Of these, what the branch's code lacks."
    )


class OneUploadRow(UploadRow):
    found = serializers.SerializerMethodField(help_text="What is in it; null until it was looked at.")
    error = serializers.SerializerMethodField(help_text="Why it was refused when it was looked at.")
    refused = serializers.SerializerMethodField(help_text="Why it can't be imported now; empty when it can.")

    class Meta(UploadRow.Meta):
        fields = (*UploadRow.Meta.fields, "found", "error", "refused")
        read_only_fields = fields

    @extend_schema_field(FoundInArchive(allow_null=True))
    def get_found(self, upload: Upload) -> Any:
        return upload.found or None

    @extend_schema_field(OperationError(allow_null=True))
    def get_error(self, upload: Upload) -> Any:
        story = upload.story
        if story is None or not story.error_title:
            return None
        return {"title": story.error_title, "detail": story.error_detail, "remedy": story.error_remedy}

    def get_refused(self, upload: Upload) -> str:
        return importing.refusal(upload.branch, upload)


class NewUpload(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=200, help_text="Of the file.")
    size = serializers.IntegerField(min_value=1, max_value=imports.LONGEST, help_text="Bytes of it.")


class Uploads(ApiView):
    tag = "imports"

    @lists("list_uploads", UploadRow)
    def get(self, request: Request, *, slug: str, pk: int) -> QuerySet[Upload]:
        """The archives that you brought for a branch. They go two days after something came, or was done with them."""
        return uploads_of(*_branch(request, slug, pk))

    @writes("begin_upload", Scope.ADMIN, {200: UploadRow}, takes=NewUpload)
    def post(self, request: Request, *, slug: str, pk: int, given: dict[str, Any]) -> Response:
        """Begin to bring an archive, or go on with your unfinished one of that name and size.

        `received_bytes` of it are there: send what follows them.
        """
        _access, branch = _branch(request, slug, pk)
        row = uploads.begin(branch=branch, name=given["name"], size=given["size"], by=person(request))
        return Response(UploadRow(row).data)


class OneUpload(ApiView):
    tag = "imports"

    @reads("show_upload", OneUploadRow)
    def get(self, request: Request, *, slug: str, pk: int, upload: int) -> Upload:
        """An archive of yours: how much of it is there, what was found in it, and whether it can be imported."""
        return upload_or_404(*_branch(request, slug, pk), upload)


class Offset(serializers.Serializer[Any]):
    offset = serializers.IntegerField(
        min_value=0, max_value=BIGGEST, help_text="Of the file's byte with which the piece begins: `received_bytes`."
    )


class Piece(ApiView):
    tag = "imports"
    parser_classes = (Raw,)

    @sends("send_piece", Scope.ADMIN, UploadRow, query=Offset)
    def post(
        self, request: Request, *, slug: str, pk: int, upload: int, given: dict[str, Any], stream: IO[bytes]
    ) -> Upload:
        """Send bytes of the file, up to 8 MiB, that go on where the last piece ended. The last one begins the look.

        It knows no Idempotency-Key and needs none: sent again, a piece that was taken changes nothing. It is answered
        with 409 then, as is any that doesn't go on at `received_bytes`, and `show_upload` says where to go on.
        """
        row = upload_or_404(*_branch(request, slug, pk), upload)
        try:
            return uploads.receive(row, given["offset"], stream)
        except OSError as error:
            raise PlatformError(
                "The portal can't write the piece",
                f"{error.strerror}. What came before is there, and stays.",
                "Ask the operator; then go on from there.",
            ) from error


class ImportUpload(ApiView):
    tag = "imports"

    @writes("import_upload", Scope.ADMIN, FOLLOWED, takes=Confirmed, foretells=Foretold)
    def post(self, request: Request, *, slug: str, pk: int, upload: int, given: dict[str, Any]) -> Response:
        """Make an archive the database of the branch that it was brought for. What that holds now is lost."""
        access, branch = _branch(request, slug, pk)
        row = upload_or_404(access, branch, upload)
        if given["dry_run"]:
            return Response(foretelling.import_upload(branch, row))
        confirm(given, slug)
        return accepted(request, slug, importing.begin(branch=branch, upload=row, by=person(request)).story)


# --- what was switched off --------------------------------------------------------------------------------------------
class ImportRow(serializers.ModelSerializer[Restore]):
    upload = serializers.IntegerField(
        source="upload_id", allow_null=True, read_only=True, help_text="null: it is gone."
    )
    asked_by = serializers.CharField(source="asked_by.username", allow_null=True, default=None, read_only=True)
    operation = serializers.IntegerField(source="story_id", allow_null=True, read_only=True)

    class Meta:
        model = Restore
        fields: tuple[str, ...] = (
            "id",
            "upload",
            "asked_by",
            "state",
            "result",
            "operation",
            "created_at",
            "switched_at",
            "answered_at",
            "finished_at",
        )
        read_only_fields: tuple[str, ...] = fields


class OneImportRow(ImportRow):
    current = serializers.SerializerMethodField(help_text="Whether production's database is the one that it made.")

    class Meta(ImportRow.Meta):
        fields = (*ImportRow.Meta.fields, "current")
        read_only_fields = fields

    def get_current(self, restore: Restore) -> bool:
        return parked.is_current(restore)


class ParkedRow(serializers.ModelSerializer[Parked]):
    operation = serializers.IntegerField(
        source="story_id", allow_null=True, read_only=True, help_text="That switches it on."
    )
    asked_by = serializers.CharField(source="asked_by.username", allow_null=True, default=None, read_only=True)

    class Meta:
        model = Parked
        fields = ("id", "kind", "name", "operation", "asked_by", "switched_on_at")
        read_only_fields = fields


class Imports(ApiView):
    tag = "imports"

    @lists("list_imports", ImportRow)
    def get(self, request: Request, *, slug: str, pk: int) -> QuerySet[Restore]:
        """The imports into a branch that was production then. Those into staging are builds."""
        _access, branch = _branch(request, slug, pk)
        return branch.restores.filter(imported=True).select_related("asked_by")


class OneImport(ApiView):
    tag = "imports"

    @reads("show_import", OneImportRow)
    def get(self, request: Request, *, slug: str, pk: int, restore: int) -> Restore:
        """An import, and whether production has its database still."""
        return import_or_404(_branch(request, slug, pk)[1], restore)


class SwitchedOff(ApiView):
    tag = "imports"

    @lists("list_switched_off", ParkedRow)
    def get(self, request: Request, *, slug: str, pk: int, restore: int) -> QuerySet[Parked]:
        """What an import switched off: scheduled actions, mail servers, and the jobs that waited.

        As long as the former server runs, both would do the same work and send the same mails.
        """
        return import_or_404(_branch(request, slug, pk)[1], restore).parked.select_related("asked_by")


class SwitchOn(ApiView):
    tag = "imports"

    @writes("switch_on", Scope.ADMIN, FOLLOWED)
    def post(self, request: Request, *, slug: str, pk: int, restore: int, off: int) -> Response:
        """Switch one of them on, as long as production has the import's database. What is overdue runs at once."""
        row = get_object_or_404(import_or_404(_branch(request, slug, pk)[1], restore).parked, pk=off)
        return accepted(request, slug, parked.begin(parked=row, by=person(request)).story)


def _branch(request: Request, slug: str, pk: int) -> tuple[Access, Branch]:
    """Production or a staging branch: development begins with an empty database."""
    return branch_or_404(request, slug, pk, Tool.BACKUPS)
