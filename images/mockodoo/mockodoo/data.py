"""Data files of modules: XML (`<record>`, `<menuitem>`, `<template>`, `<delete>`, `<function>`), CSV and SQL."""

import base64
import csv
import datetime
import io
import logging
import time
from typing import Any

from lxml import etree

from . import views
from .modules import Module
from .orm.environment import Environment
from .orm.models import Model
from .orm.relations import Command, Many2one, X2many

_logger = logging.getLogger("odoo.modules.loading")


class ParseError(Exception):
    """A data file that is well-formed but cannot be loaded."""


def load(env: Environment, module: Module, files: list[str], *, fresh: bool) -> None:
    """Load files in order. `fresh` is true at installation: later, records marked `noupdate` stay as they are."""
    for name in files:
        _logger.info("loading %s/%s", module.name, name)
        path = module.path / name
        content = path.read_bytes()
        if path.suffix == ".xml":
            _XmlFile(env, module, name, fresh).load(content)
        elif path.suffix == ".csv":
            _load_csv(env, module, path.stem, content.decode())
        elif path.suffix == ".sql":
            env.cr.execute(content.decode())
        else:
            raise ValueError(f"Can't load unknown file type: {name}")


def register_models(env: Environment, module: str, models: list[type[Model]]) -> None:
    """Keep `ir_model` and its external ids (`module.model_my_thing`), which access rules refer to."""
    if "ir.model" not in env:
        return
    for model in models:
        env.cr.execute("SELECT id FROM ir_model WHERE model = %s", (model._name,))
        row = env.cr.fetchone()
        name = model._description or model._name
        values = {"model": model._name, "name": name, "transient": model._transient}
        record = row[0] if row else env["ir.model"].create(values).id
        bind(env, module, f"model_{model._name.replace('.', '_')}", "ir.model", record, noupdate=False)


def bind(env: Environment, module: str, name: str, model: str, record: int, *, noupdate: bool) -> None:
    """Give a record an external id."""
    env.cr.execute(
        "INSERT INTO ir_model_data (module, name, model, res_id, noupdate) VALUES (%s, %s, %s, %s, %s) "
        "ON CONFLICT (module, name) DO UPDATE SET model = EXCLUDED.model, res_id = EXCLUDED.res_id",
        (module, name, model, record, noupdate),
    )


def put(
    env: Environment, module: str, xml_id: str, model: str, values: dict[str, Any], *, fresh: bool, noupdate: bool
) -> int:
    """Create or update the record of an external id. Returns its database id."""
    namespace, _, name = xml_id.rpartition(".")
    namespace = namespace or module
    env.cr.execute("SELECT res_id, noupdate FROM ir_model_data WHERE module = %s AND name = %s", (namespace, name))
    row = env.cr.fetchone()
    record = env[model].browse(row[0]).exists() if row else env[model]
    if record and (fresh or not (row and row[1])):
        record.write(values)
    elif not record:
        record = env[model].create(values)
        bind(env, namespace, name, model, record.id, noupdate=noupdate)
    return int(record.id)


class _XmlFile:
    def __init__(self, env: Environment, module: Module, name: str, fresh: bool) -> None:
        self.env, self.module, self.name, self.fresh = env, module, name, fresh
        self.noupdate = False

    def load(self, content: bytes) -> None:
        """Raises lxml.etree.XMLSyntaxError, or ParseError with the place."""
        self._children(etree.fromstring(content))

    def _children(self, parent: Any) -> None:
        before = self.noupdate
        self.noupdate = parent.get("noupdate", "1" if before else "0") in ("1", "True", "true")
        for node in parent.iterchildren(tag=etree.Element):
            if node.tag in ("data", "odoo", "openerp"):
                self._children(node)
                continue
            try:
                self._node(node)
            except Exception as error:
                place = f"{self.module.path / self.name}:{node.sourceline}"
                snippet = etree.tostring(node, encoding="unicode").strip()
                raise ParseError(f"while parsing {place}, somewhere inside\n{snippet}") from error
        self.noupdate = before

    def _node(self, node: Any) -> None:
        loader = {
            "record": self._record,
            "menuitem": self._menuitem,
            "template": self._template,
            "delete": self._delete,
            "function": self._function,
        }.get(node.tag)
        if loader is None:
            raise ParseError(f"Element <{node.tag}> is not known")
        loader(node)

    def _record(self, node: Any) -> None:
        model = self.env[node.get("model")]
        values = {field.get("name"): self._value(field, model) for field in node.iterchildren("field")}
        if model._name == "ir.ui.view":
            views.check(self.env, values)
        self._put(node.get("id"), model._name, values)

    def _put(self, xml_id: str | None, model: str, values: dict[str, Any]) -> None:
        if xml_id:
            put(self.env, self.module.name, xml_id, model, values, fresh=self.fresh, noupdate=self.noupdate)
        elif self.fresh:
            self.env[model].create(values)

    def _value(self, node: Any, model: Any) -> Any:
        """What a `<field>` element says."""
        field = model._fields.get(node.get("name"))
        if node.get("ref"):
            return self._ref(node.get("ref"))
        if node.get("search"):
            found = self.env[field.comodel_name].search(self._eval(node.get("search")))
            return found.ids if isinstance(field, X2many) else found[:1].id
        if node.get("eval") is not None:
            return self._eval(node.get("eval"))
        if node.get("type") in ("xml", "html") or len(node):
            return (node.text or "").strip() + "".join(etree.tostring(child, encoding="unicode") for child in node)
        if node.get("file"):
            content = (self.module.path.parent / node.get("file")).read_bytes()
            return base64.b64encode(content) if node.get("type") == "base64" else content.decode()
        return _typed(node.text or "", field)

    def _ref(self, xml_id: str) -> int:
        name = xml_id if "." in xml_id else f"{self.module.name}.{xml_id}"
        record = self.env.ref(name)
        return int(record.id) if record is not None else 0

    def _eval(self, expression: str) -> Any:
        names = {
            "ref": self._ref,
            "obj": lambda xml_id: self.env.ref(xml_id),
            "datetime": datetime.datetime,
            "timedelta": datetime.timedelta,
            "DateTime": datetime.datetime,
            "time": time,
            "Command": Command,
            "version": "",
        }
        return eval(expression.strip(), names)

    def _menuitem(self, node: Any) -> None:
        values: dict[str, Any] = {
            "name": node.get("name") or node.get("id"),
            "sequence": int(node.get("sequence") or 10),
        }
        parent = node.get("parent") or (node.getparent().get("id") if node.getparent().tag == "menuitem" else None)
        if parent:
            values["parent_id"] = self._ref(parent)
        if node.get("action"):
            action = node.get("action")
            record = self.env.ref(action if "." in action else f"{self.module.name}.{action}")
            values["action"] = f"{record._name},{record.id}" if record is not None else None
        self._put(node.get("id"), "ir.ui.menu", values)
        self._children(node)

    def _template(self, node: Any) -> None:
        xml_id = node.get("id")
        values = {
            "name": node.get("name") or xml_id,
            "key": xml_id if "." in xml_id else f"{self.module.name}.{xml_id}",
            "type": "qweb",
            "arch_db": etree.tostring(node, encoding="unicode"),
        }
        self._put(xml_id, "ir.ui.view", values)

    def _delete(self, node: Any) -> None:
        model = self.env[node.get("model")]
        if node.get("id"):
            found = self.env.ref(node.get("id"), raise_if_not_found=False)
        else:
            found = model.search(self._eval(node.get("search")))
        if found:
            found.unlink()

    def _function(self, node: Any) -> None:
        if self.noupdate and not self.fresh:
            return
        arguments = (
            self._eval(node.get("eval")) if node.get("eval") else [self._value(v, self.env["base"]) for v in node]
        )
        model = self.env[node.get("model")]
        method = getattr(type(model), node.get("name"))
        if arguments and not hasattr(method, "_api_model"):
            model, arguments = model.browse(arguments[0]), arguments[1:]
        method(model, *arguments)


def _typed(text: str, field: Any) -> Any:
    """The text of a `<field>` as its field's type."""
    kind = field.type if field is not None else "char"
    if kind in ("integer", "many2one"):
        return int(text) if text.strip() else False
    if kind in ("float", "monetary"):
        return float(text or 0)
    if kind == "boolean":
        return text.strip().lower() not in ("", "0", "false", "off")
    return text


def _load_csv(env: Environment, module: Module, model_name: str, content: str) -> None:
    """A CSV file is named by its model; columns `x/id` or `x:id` hold external ids."""
    model = env[model_name]
    for row in csv.DictReader(io.StringIO(content)):
        xml_id = row.pop("id")
        values = {}
        for column, text in row.items():
            name, is_reference = column.partition("/")[0].partition(":")[0], column.endswith(("/id", ":id"))
            values[name] = _reference(env, module, text) if is_reference else _csv_value(model, name, text)
        put(env, module.name, xml_id, model_name, values, fresh=True, noupdate=False)


def _reference(env: Environment, module: Module, text: str) -> Any:
    if not text.strip():
        return False
    record = env.ref(text if "." in text else f"{module.name}.{text}")
    return record.id if record is not None else False


def _csv_value(model: Any, name: str, text: str) -> Any:
    field = model._fields.get(name)
    if isinstance(field, Many2one):
        return field.to_column(model.env[field.comodel_name].search([("name", "=", text)], limit=1))
    return _typed(text, field)
