from mockodoo.orm.models import AbstractModel, BaseModel, Model, TransientModel

__all__ = ["AbstractModel", "BaseModel", "Model", "TransientModel"]
