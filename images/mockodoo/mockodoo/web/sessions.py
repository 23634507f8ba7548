"""Sessions on disk: `<data>/sessions/<2>/<sid>`, JSON, as Odoo 16 and later keep them."""

import json
import os
import re
import secrets
import tempfile
from pathlib import Path
from typing import Any

COOKIE = "session_id"
LIFETIME = 7 * 24 * 3600
_SID = re.compile(r"[A-Za-z0-9_-]{84}")


class Session(dict[str, Any]):
    """What is known of a visitor between requests. It is written only when it changed."""

    def __init__(self, sid: str, values: dict[str, Any]) -> None:
        super().__init__({"db": None, "login": None, "uid": None, "context": {}, "session_token": None, **values})
        self.sid = sid
        self.rotates = False
        self._before = json.dumps(self, sort_keys=True)

    @property
    def is_dirty(self) -> bool:
        return json.dumps(self, sort_keys=True) != self._before

    @property
    def db(self) -> str | None:
        value = self["db"]
        return str(value) if value else None

    @db.setter
    def db(self, name: str | None) -> None:
        self["db"] = name

    @property
    def uid(self) -> int | None:
        return self["uid"] or None

    def authenticate(self, login: str, uid: int) -> None:
        """Who signs in gets another id than the visitor had: a planted one is worth nothing."""
        self.rotates = True
        self.update(login=login, uid=uid, session_token=secrets.token_hex(32))

    def logout(self, keep_db: bool = False) -> None:
        self.update(login=None, uid=None, session_token=None, context={}, db=self["db"] if keep_db else None)


class SessionStore:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def _path(self, sid: str) -> Path:
        return self.folder / sid[:2] / sid

    def new(self) -> Session:
        return Session(secrets.token_urlsafe(63), {})

    def get(self, sid: str | None) -> Session:
        """The visitor's session; a new one where there is no such file."""
        if not sid or not _SID.fullmatch(sid):
            return self.new()
        try:
            return Session(sid, json.loads(self._path(sid).read_text()))
        except (OSError, ValueError):
            return self.new()

    def save(self, session: Session) -> None:
        """Write the whole file beside the old one and put it in its place: readers never see half of it."""
        if session.rotates:
            self._path(session.sid).unlink(missing_ok=True)
            session.sid, session.rotates = self.new().sid, False
        path = self._path(session.sid)
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(handle, "w") as file:
            json.dump(session, file)
        os.replace(name, path)
