{"name": "Contract: missing dependency", "version": "1.0", "depends": ["base", "no_such_module"], "license": "LGPL-3"}
