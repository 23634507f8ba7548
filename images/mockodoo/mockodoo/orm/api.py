"""What addons import as `odoo.api`: marks on methods, which the model layer reads when it builds a model."""

from collections.abc import Callable
from typing import Any, TypeVar

from .environment import SUPERUSER_ID, Environment

__all__ = ["SUPERUSER_ID", "Environment"]

Method = TypeVar("Method", bound=Callable[..., Any])


def _marker(name: str) -> Callable[..., Callable[[Method], Method]]:
    def decorator(*arguments: Any, **_keywords: Any) -> Callable[[Method], Method]:
        def mark(method: Method) -> Method:
            setattr(method, name, arguments)
            return method

        return mark

    return decorator


depends = _marker("_depends")
constrains = _marker("_constrains")
onchange = _marker("_onchange")
ondelete = _marker("_ondelete")
returns = _marker("_returns")
depends_context = _marker("_depends_context")


def model(method: Method) -> Method:
    method._api_model = True  # type: ignore[attr-defined]
    return method


def model_create_multi(method: Method) -> Method:
    method._api_create_multi = True  # type: ignore[attr-defined]
    return method


def autovacuum(method: Method) -> Method:
    method._autovacuum = True  # type: ignore[attr-defined]
    return method


readonly = private = model
