{"name": "Contract: import error", "version": "1.0", "depends": ["base"], "license": "LGPL-3"}
