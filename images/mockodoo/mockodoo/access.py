"""The warning of Odoo about models for which nobody has any right."""

import logging

from .orm.environment import Environment
from .orm.models import Model

_logger = logging.getLogger("odoo.modules.loading")


def warn(env: Environment, module: str, models: list[type[Model]]) -> None:
    """Log models that `module` defines and no row of ir_model_access speaks of."""
    names = [model._name for model in models if not model._abstract]
    env.cr.execute(
        "SELECT model FROM ir_model m WHERE model = ANY(%s) "
        "AND NOT EXISTS (SELECT 1 FROM ir_model_access a WHERE a.model_id = m.id) ORDER BY id",
        (names,),
    )
    bare = [row[0] for row in env.cr.fetchall()]
    if not bare:
        return
    lines = [
        f"{module}.access_{name},access_{name},{module}.model_{name},base.group_user,1,0,0,0"
        for name in (model.replace(".", "_") for model in bare)
    ]
    _logger.warning(
        "The models %s have no access rules in module %s, consider adding some, like:\n"
        "id,name,model_id:id,group_id:id,perm_read,perm_write,perm_create,perm_unlink\n%s",
        bare,
        module,
        "\n".join(lines),
    )
