"""What may be written into a branch's settings: one rule each, for every page and call that takes them."""

import re
from zoneinfo import available_timezones

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator

MODULE = re.compile(r"[A-Za-z_]\w*", re.ASCII)
MAX_MODULES = 500

# [-][tag][/module][:class][.method][[parameters]], as Odoo reads `--test-tags`; at least one part.
_TAG = r"[+-]?(?=[\w*/:.])(?:\*|\w+)?(?:/\w+(?:/\w+)*(?:\.py)?)?(?::\w+)?(?:\.\w+)?(?:\[[^\[\],\s]*\])?"

test_tags = RegexValidator(
    rf"\A{_TAG}(?:,{_TAG})*\Z",
    "Write them as Odoo does: [-][tag][/module][:class][.method], with commas and no spaces between.",
    flags=re.ASCII,
)

probe_path = RegexValidator(
    # One address on the database's own host: no second slash that would name another, no dots that climb, no query.
    r"\A(?!.*(?://|/\.{1,2}(?:/|\Z)))/[\w.~%!$&'()*+,;=:@/-]*\Z",
    "A path on the database's own address, like /web/login: it begins with a slash and has no query.",
    flags=re.ASCII,
)


def module_names(names: object) -> None:
    """A list of technical names. Raises ValidationError."""
    if not isinstance(names, list) or len(names) > MAX_MODULES:
        raise ValidationError(f"A list of at most {MAX_MODULES} modules.")
    wrong = [str(name) for name in names if not (isinstance(name, str) and MODULE.fullmatch(name))]
    if wrong:
        raise ValidationError(f"No technical name of a module: {', '.join(wrong[:5])}. It is its folder's name.")


def time_zone(name: str) -> None:
    """Raises ValidationError."""
    if name not in available_timezones():
        raise ValidationError("A time zone like Europe/Brussels, or UTC.")
