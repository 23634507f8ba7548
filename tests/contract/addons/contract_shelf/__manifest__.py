{"name": "Contract: never installed", "version": "1.0", "depends": ["base"], "license": "LGPL-3"}
