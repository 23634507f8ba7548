"""How operations are described in the schema."""

from typing import Any

from drf_spectacular.openapi import AutoSchema

from portal.api.reading import Raw


class Described(AutoSchema):
    def get_tags(self) -> list[str]:
        return [self.view.tag]  # type: ignore[attr-defined]

    def get_summary(self) -> str:
        """The first line of what the method says of itself."""
        return str(self.get_description()).partition("\n")[0].rstrip(".")


# What Python takes for space and \s of other regular expressions doesn't is named: such text is refused as empty.
SOME_TEXT = r"^[^\u0000]*[^\u0000\s\u001c-\u001f\u0085][^\u0000]*$"


def say_what_is_refused(result: dict[str, Any], **_named: Any) -> dict[str, Any]:
    """A hook of drf-spectacular's: bodies have no other fields than those that are described, and no text has the
    character NUL or nothing but spaces. Where bytes are sent, there are some.
    """
    schemas = result["components"]["schemas"]
    for methods in result["paths"].values():
        for operation in methods.values():
            for parameter in operation.get("parameters", ()):
                if parameter["in"] == "query":
                    _refuse_no_text(parameter["schema"])
            if Raw.media_type in operation.get("requestBody", {}).get("content", {}):
                operation["requestBody"]["required"] = True
                continue
            for content in operation.get("requestBody", {}).get("content", {}).values():
                body = schemas[content["schema"]["$ref"].rpartition("/")[2]]
                body["additionalProperties"] = False
                for field in body["properties"].values():
                    _refuse_no_text(field)
                    _refuse_no_text(field.get("items", {}))
    return result


def _refuse_no_text(schema: dict[str, Any]) -> None:
    if schema.get("type") == "string" and not schema.keys() & {"enum", "pattern", "format"} and schema.get("minLength"):
        schema["pattern"] = SOME_TEXT
