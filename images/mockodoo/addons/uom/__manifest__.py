{"name": "Units of measure", "version": "1.0", "license": "LGPL-3", "category": "Hidden", "depends": ["base"]}
