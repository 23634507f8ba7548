-- What Odoo's own neutralisation does for base. Like there it is not idempotent: each run adds a dummy mail server.
UPDATE ir_mail_server SET active = FALSE;
INSERT INTO ir_mail_server (name, smtp_host, smtp_port, smtp_encryption, smtp_authentication, sequence, active)
VALUES ('neutralization - disable emails', 'invalid', 1025, 'none', 'login', 10, TRUE);
UPDATE ir_cron SET active = FALSE
WHERE id NOT IN (SELECT res_id FROM ir_model_data WHERE module = 'base' AND name = 'autovacuum_job');
INSERT INTO ir_config_parameter (key, value) VALUES ('database.is_neutralized', 'true')
ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value;
