{"name": "Contract: a column that becomes required", "version": "1.0", "depends": ["base"], "license": "LGPL-3"}
