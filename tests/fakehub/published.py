"""What GitHub published about its API and webhooks, from npm packages pinned beside this file."""

import fcntl
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft4Validator, Draft7Validator
from referencing import Registry
from referencing.jsonschema import DRAFT4

from portal.commands import run

HERE = Path(__file__).parent
PACKAGES = HERE / "node_modules" / "@octokit"
ERROR = {"$ref": "#/components/schemas/basic-error"}
DOCUMENT = "urn:description"


def _package(name: str) -> Path:
    """The folder of an npm package, installed where it is missing."""
    with (HERE / "package-lock.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (PACKAGES / name).is_dir():
            run(["npm", "ci", "--no-audit", "--no-fund"], cwd=HERE, timeout=600)
    return PACKAGES / name


class Description:
    """An OpenAPI description (`api.github.com`, `ghes-3.19`) that answers can be held against."""

    def __init__(self, name: str) -> None:
        text = (_package("openapi") / "generated" / f"{name}.json").read_text()
        self._document = _as_json_schema(json.loads(text))
        self._registry = Registry[Any]().with_resource(DOCUMENT, DRAFT4.create_resource(self._document))

    def problems(self, method: str, template: str, status: int, body: object) -> list[str]:
        """What is wrong with an answer to a call of `template`, a path as the description writes it."""
        operation = self._document["paths"].get(template, {}).get(method.lower())
        if operation is None:
            return [f"{method} {template} is not described"]
        answers = operation["responses"]
        if str(status) not in answers and status < 400:
            return [f"{method} {template} never answers {status}"]
        content = self._resolved(answers.get(str(status), {})).get("content", {}).get("application/json")
        if content is None and status < 400:
            return [] if body is None else [f"{method} {template} {status} has no body"]
        schema = content["schema"] if content else ERROR  # not every refusal is described
        return [f"{method} {template} {status}: {problem}" for problem in self._schema_problems(schema, body)]

    def _resolved(self, node: dict[str, Any]) -> dict[str, Any]:
        while "$ref" in node:
            found: Any = self._document
            for part in node["$ref"].removeprefix("#/").split("/"):
                found = found[part]
            node = found
        return node

    def _schema_problems(self, schema: dict[str, Any], body: object) -> list[str]:
        anchored = _anchored(schema)
        validator = Draft4Validator(anchored, registry=self._registry, format_checker=Draft4Validator.FORMAT_CHECKER)
        return [f"{error.json_path}: {error.message[:300]}" for error in validator.iter_errors(body)]


def _as_json_schema(node: Any) -> Any:
    """OpenAPI 3.0 says `nullable` where JSON Schema has a type `null`; GitHub says `oneOf` of kinds that overlap."""
    if isinstance(node, list):
        return [_as_json_schema(each) for each in node]
    if not isinstance(node, dict):
        return node
    changed = {("anyOf" if name == "oneOf" else name): _as_json_schema(value) for name, value in node.items()}
    if changed.pop("nullable", False) is True:
        return {"anyOf": [{"type": "null"}, changed]}
    return changed


def _anchored(node: Any) -> Any:
    """A part of the description with its references made to point into the whole."""
    if isinstance(node, list):
        return [_anchored(each) for each in node]
    if not isinstance(node, dict):
        return node
    if isinstance(node.get("$ref"), str):
        return {"$ref": DOCUMENT + node["$ref"]}
    return {name: _anchored(value) for name, value in node.items()}


@cache
def description(name: str) -> Description:
    return Description(name)


@cache
def _webhook_definitions() -> dict[str, Any]:
    document = json.loads((_package("webhooks-schemas") / "schema.json").read_text())
    return {"definitions": document["definitions"]}


def webhook_problems(event: str, body: Mapping[str, object]) -> list[str]:
    """What GitHub's own schema of that event finds wrong with a webhook body."""
    kind = f"{event}${body.get('action', 'event')}"
    validator = Draft7Validator({**_webhook_definitions(), "allOf": [{"$ref": f"#/definitions/{kind}"}]})
    return [f"{error.json_path}: {error.message[:300]}" for error in validator.iter_errors(body)]


@cache
def recorded_webhooks(event: str) -> tuple[dict[str, Any], ...]:
    """Bodies of that event that GitHub recorded."""
    listed = json.loads((_package("webhooks-examples") / "api.github.com" / "index.json").read_text())
    return tuple(example for each in listed if each["name"] == event for example in each["examples"])
