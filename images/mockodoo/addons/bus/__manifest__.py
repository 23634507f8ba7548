{"name": "IM Bus", "version": "1.0", "category": "Hidden", "depends": ["base", "web"], "auto_install": True}
