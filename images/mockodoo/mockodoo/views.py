"""The one check of views that a customer's push trips over most: fields that the model does not have."""

from typing import Any

from lxml import etree

from . import release
from .orm.environment import Environment
from .orm.exceptions import ValidationError


def check(env: Environment, values: dict[str, Any]) -> None:
    """Raises ValidationError for a view of a model, or a field, that does not exist. Inherited views are left alone."""
    if values.get("inherit_id") or not values.get("arch") or not values.get("model"):
        return
    if values["model"] not in env:
        raise ValidationError(f"Model not found: {values['model']}")
    model = env[values["model"]]
    root = etree.fromstring(values["arch"])
    if root.tag == "tree" and release.MAJOR >= 18:
        raise ValidationError(
            "Invalid view type: 'tree'.\nAllowed types are: list, form, graph, pivot, calendar, kanban, search"
        )
    if model._lenient:
        return
    for node in root.iter("field"):
        outside = all(parent.tag != "field" for parent in node.iterancestors())
        name = node.get("name")
        if outside and name not in model._fields and name != "display_name":
            place = f"View error context:\n{values.get('name')}"
            raise ValidationError(f'Field "{name}" does not exist in model "{model._name}"\n\n{place}')
