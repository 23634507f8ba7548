from . import corner, database, home, rpc
