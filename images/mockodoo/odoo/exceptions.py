from mockodoo.orm.exceptions import (
    AccessDenied,
    AccessError,
    MissingError,
    RedirectWarning,
    UserError,
    ValidationError,
)

__all__ = ["AccessDenied", "AccessError", "MissingError", "RedirectWarning", "UserError", "ValidationError"]
