"""`self.env`: a cursor, a user and a context, with the registry's models by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mockodoo.postgres import Cursor

if TYPE_CHECKING:
    from .registry import Registry

SUPERUSER_ID = 1


class Environment:
    def __init__(
        self, cr: Cursor, uid: int, context: dict[str, Any], su: bool = False, *, registry: Registry | None = None
    ) -> None:
        if registry is None:
            from .registry import Registry as Registries  # noqa: PLC0415 (addons may make an Environment by themselves)

            registry = Registries.get(cr.dbname)
        self.cr, self.uid, self.context, self.registry = cr, uid, dict(context), registry
        self.su = su or uid == SUPERUSER_ID
        self.pending: dict[tuple[str, int], dict[str, Any]] | None = None  # held back while a field is computed

    def __call__(
        self, cr: Cursor | None = None, user: Any = None, context: Any = None, su: bool | None = None
    ) -> Environment:
        uid = self.uid if user is None else int(user)
        return Environment(
            cr or self.cr,
            uid,
            self.context if context is None else context,
            self.su if su is None else su,
            registry=self.registry,
        )

    def __getitem__(self, name: str) -> Any:
        return self.registry[name](self, ())

    def __contains__(self, name: str) -> bool:
        return name in self.registry

    @property
    def user(self) -> Any:
        return self["res.users"].browse(self.uid)

    @property
    def company(self) -> Any:
        return self["res.company"].search([], limit=1)

    @property
    def companies(self) -> Any:
        return self["res.company"].search([])

    @property
    def lang(self) -> str | None:
        return self.context.get("lang")

    def is_admin(self) -> bool:
        return self.su or self.uid == 2

    def is_superuser(self) -> bool:
        return self.su

    def flush_all(self) -> None:
        """Nothing waits here: every write goes to PostgreSQL at once."""

    invalidate_all = flush_all

    def ref(self, xml_id: str, raise_if_not_found: bool = True) -> Any:
        """The record of an external id (`module.name`). Raises ValueError."""
        module, _, name = xml_id.rpartition(".")
        self.cr.execute("SELECT model, res_id FROM ir_model_data WHERE module = %s AND name = %s", (module, name))
        row = self.cr.fetchone()
        if row:
            return self[row[0]].browse(row[1])
        if raise_if_not_found:
            raise ValueError(f"External ID not found in the system: {xml_id}")
        return None
