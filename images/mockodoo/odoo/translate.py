"""`_("text")`: the stand-in speaks English only."""

from typing import Any


def _(source: str, *arguments: Any, **named: Any) -> str:
    values: Any = named or arguments
    return source % values if values else source


_lt = _


class LazyTranslate:
    def __init__(self, module: str, default_lang: str | None = None) -> None:
        self.module = module

    def __call__(self, source: str, *arguments: Any, **named: Any) -> str:
        return _(source, *arguments, **named)
