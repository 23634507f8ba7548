from . import generic, ir_attachment, ir_config_parameter, ir_cron, ir_module, res
