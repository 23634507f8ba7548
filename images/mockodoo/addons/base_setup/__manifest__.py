{"name": "Initial Setup Tools", "version": "1.0", "license": "LGPL-3", "category": "Hidden", "depends": ["base", "web"]}
