{"name": "Initial Setup Tools", "version": "1.0", "category": "Hidden", "depends": ["base", "web"]}
