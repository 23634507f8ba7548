"""`@http.route` and controllers: from addons' classes to a werkzeug map of what is served."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from werkzeug.routing import BaseConverter, Map, Rule

from mockodoo.orm.models import module_of

Endpoint = Callable[..., Any]


@dataclass(frozen=True, eq=False)
class Target:
    """What a route leads to: a controller's method, and the options of its `@route`."""

    call: Endpoint
    auth: str
    is_json: bool
    csrf: bool
    saves_session: bool


class Controller:
    """What addons subclass. A controller that extends another one replaces it where its module is loaded."""

    by_module: ClassVar[dict[str, list[type[Controller]]]] = {}

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        Controller.by_module.setdefault(module_of(cls.__module__), []).append(cls)


def route(route: str | list[str] | None = None, **options: Any) -> Callable[[Endpoint], Endpoint]:
    """Mark a method as an endpoint. `type` is http or json, `auth` user, public or none."""

    def mark(endpoint: Endpoint) -> Endpoint:
        @functools.wraps(endpoint)
        def wrapped(self: Controller, *arguments: Any, **parameters: Any) -> Any:
            return endpoint(self, *arguments, **parameters)

        routes = [route] if isinstance(route, str) else route
        wrapped.routing = {**options, **({"routes": routes} if routes else {})}  # type: ignore[attr-defined]
        return wrapped

    return mark


class _ModelConverter(BaseConverter):
    """`<model("res.partner"):partner>`: an id in the address, a record for the endpoint."""

    regex = r"[^/]*-?\d+"
    part_isolating = True

    def __init__(self, map: Map, model: str = "") -> None:
        super().__init__(map)
        self.model = model

    def to_python(self, value: str) -> Any:
        return ModelId(self.model, int(value.rpartition("-")[2]))


class ModelId(tuple[str, int]):
    def __new__(cls, model: str, record: int) -> ModelId:
        return super().__new__(cls, (model, record))


def routing_map(modules: Iterable[str], *, nodb: bool) -> Map:
    """All routes of the controllers of `modules`; with `nodb` only those that need no database."""
    chosen = [cls for module in modules for cls in Controller.by_module.get(module, ())]
    leaves = [cls for cls in chosen if not any(other is not cls and issubclass(other, cls) for other in chosen)]
    rules = Map(strict_slashes=False, converters={"model": _ModelConverter})
    for cls in leaves:
        controller = cls()
        for name in dir(cls):
            routing = _routing(cls, name)
            if routing and not (nodb and routing["auth"] != "none"):
                target = _target(getattr(controller, name), routing)
                for path in routing["routes"]:
                    rules.add(Rule(path, endpoint=target, methods=routing.get("methods")))
    return rules


def _target(endpoint: Endpoint, routing: dict[str, Any]) -> Target:
    return Target(
        call=endpoint,
        auth=routing["auth"],
        is_json=routing["type"] in ("json", "jsonrpc"),
        csrf=routing.get("csrf", True),
        saves_session=routing.get("save_session", True),
    )


def _routing(cls: type, name: str) -> dict[str, Any] | None:
    """The options of an endpoint, put together over the classes that declare it."""
    merged: dict[str, Any] = {"auth": "user", "type": "http"}
    for base in reversed(cls.__mro__):
        method = base.__dict__.get(name)
        merged |= getattr(method, "routing", {})
    return merged if "routes" in merged else None
