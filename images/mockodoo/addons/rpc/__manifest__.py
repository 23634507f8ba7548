{"name": "RPC", "version": "1.0", "license": "LGPL-3", "category": "Hidden", "depends": ["base"], "auto_install": True}
