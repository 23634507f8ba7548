from . import slow
