{"name": "Contract: a column that becomes required", "version": "1.1", "depends": ["base"], "license": "LGPL-3"}
