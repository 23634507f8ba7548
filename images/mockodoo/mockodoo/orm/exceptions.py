"""What addons import as `odoo.exceptions`."""


class UserError(Exception):
    """Something that the user should mend."""


class ValidationError(UserError):
    pass


class AccessError(UserError):
    pass


class MissingError(UserError):
    pass


class RedirectWarning(Exception):
    pass


class AccessDenied(UserError):
    def __init__(self, message: str = "Access Denied") -> None:
        super().__init__(message)
