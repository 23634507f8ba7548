{"name": "RPC", "version": "1.0", "category": "Hidden", "depends": ["base"], "auto_install": True}
