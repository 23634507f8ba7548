{"name": "Units of measure", "version": "1.0", "category": "Hidden", "depends": ["base"]}
