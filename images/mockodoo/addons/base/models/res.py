import base64
import hashlib
import hmac
import os
from typing import Any

from odoo import api, exceptions, fields, models

ROUNDS = 30_000
"""PBKDF2 rounds: enough to be the real thing, few enough for a stand-in on a small machine."""


def encrypt(password: str, rounds: int = ROUNDS) -> str:
    """A password as Odoo (passlib) writes it: `$pbkdf2-sha512$rounds$salt$digest`."""
    salt = os.urandom(16)
    return f"$pbkdf2-sha512${rounds}${_b64(salt)}${_b64(_digest(password, salt, rounds))}"


def verify(password: str, encrypted: str) -> bool:
    parts = (encrypted or "").split("$")
    if len(parts) != 5 or parts[1] != "pbkdf2-sha512":
        return bool(encrypted) and hmac.compare_digest(password.encode(), encrypted.encode())
    salt, expected = (base64.b64decode(part.replace(".", "+") + "=" * (-len(part) % 4)) for part in parts[3:])
    return hmac.compare_digest(_digest(password, salt, int(parts[2])), expected)


def _digest(password: str, salt: bytes, rounds: int) -> bytes:
    return hashlib.pbkdf2_hmac("sha512", password.encode(), salt, rounds)


def _b64(value: bytes) -> str:
    return base64.b64encode(value).decode().rstrip("=").replace("+", ".")


class Company(models.Model):
    _name = "res.company"
    _description = "Companies"
    _lenient = True

    name = fields.Char(required=True)
    active = fields.Boolean(default=True)
    partner_id = fields.Many2one("res.partner")
    currency_id = fields.Many2one("res.currency")
    email = fields.Char()


class Partner(models.Model):
    _name = "res.partner"
    _description = "Contact"
    _order = "name, id"
    _lenient = True

    name = fields.Char()
    active = fields.Boolean(default=True)
    email = fields.Char()
    phone = fields.Char()
    street = fields.Char()
    city = fields.Char()
    website = fields.Char()
    comment = fields.Text()
    ref = fields.Char()
    is_company = fields.Boolean()
    parent_id = fields.Many2one("res.partner")
    child_ids = fields.One2many("res.partner", "parent_id")
    company_id = fields.Many2one("res.company")
    user_ids = fields.One2many("res.users", "partner_id")
    country_id = fields.Many2one("res.country")


class Groups(models.Model):
    _name = "res.groups"
    _description = "Access Groups"
    _lenient = True

    name = fields.Char(required=True)
    comment = fields.Text()
    implied_ids = fields.Many2many("res.groups", "res_groups_implied_rel", "gid", "hid")


class Users(models.Model):
    _name = "res.users"
    _description = "User"
    _order = "login"
    _rec_name = "login"
    _lenient = True
    _sql_constraints = [("login_key", "UNIQUE (login)", "You can not have two users with the same login!")]

    active = fields.Boolean(default=True)
    login = fields.Char(required=True)
    password = fields.Char()
    name = fields.Char(related="partner_id.name")
    email = fields.Char(related="partner_id.email")
    partner_id = fields.Many2one("res.partner", required=True)
    company_id = fields.Many2one("res.company", required=True)
    notification_type = fields.Char(default="email")
    share = fields.Boolean()
    signature = fields.Html()
    groups_id = fields.Many2many("res.groups", "res_groups_users_rel", "uid", "gid")

    def _create_one(self, values: dict[str, Any]) -> int:
        values = dict(values)
        if not values.get("partner_id"):
            name = values.get("name") or values["login"]
            values["partner_id"] = self.env["res.partner"].create({"name": name, "email": values.get("email")}).id
        values.setdefault("company_id", self.env.company.id)
        return super()._create_one(self._encrypted(values))

    def write(self, values: dict[str, Any]) -> bool:
        return super().write(self._encrypted(values))

    def _encrypted(self, values: dict[str, Any]) -> dict[str, Any]:
        password = values.get("password")
        plain = bool(password) and not str(password).startswith("$pbkdf2-sha512$")
        return {**values, "password": encrypt(str(password))} if plain else values

    @api.model
    def check_credentials(self, login: str, password: str) -> int:
        """The id of the user who signs in. Raises AccessDenied."""
        user = self.search([("login", "=", login)], limit=1)
        if not user or not verify(password, user.password):
            raise exceptions.AccessDenied
        return int(user.id)

    def has_group(self, xml_id: str) -> bool:
        return bool(self.env.is_admin())
