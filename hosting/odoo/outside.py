"""Ways out of a database: what in Odoo's tables speaks to somebody outside, and how it is switched off on a copy.

Odoo's own neutralisation knows the modules that are installed from its own code. This list repeats what matters most of
it, so that it can be counted and stays off, and adds what it leaves: mail that waits, keys by which people and programs
sign in, what is published elsewhere, accounts of modules that bring no `neutralize.sql`. Tables and columns are those
of Odoo 16.0 to 19.0 and of its Enterprise edition; what a database lacks is passed over.
"""

from hosting.engines.postgres import Switch, emptied

CAUGHT = "neutralization - mails are caught"
NO_ROBOTS = "E'User-agent: *\\nDisallow: /'"
_CLEAN_UP = (
    "SELECT d.res_id FROM public.ir_model_data d"
    " WHERE d.model = 'ir.cron' AND d.module = 'base' AND d.name = 'autovacuum_job'"
)
_SECRETS_OF_PUSH = "'mail.web_push_vapid_private_key', 'mail.web_push_vapid_public_key', 'mail.sfu_server_key'"
_KEYS = {
    "Push notifications": f"{_SECRETS_OF_PUSH}, 'ocn.uuid', 'odoo_ocn.project_id'",
    "Marketplace accounts": "'ebay_prod_token', 'ebay_prod_cert_id', 'ebay_prod_app_id'",
    "Calendar and drive tokens": (
        "'google_drive_refresh_token', 'google_drive_authorization_code', 'google_calendar_client_secret',"
        " 'microsoft_calendar_client_secret', 'google_gmail_client_secret', 'microsoft_outlook_client_secret'"
    ),
    "Cloud storage": "'cloud_storage_provider'",
}


def _off(what: str, table: str, column: str = "active") -> Switch:
    return Switch(what, table, f"t.{column}", f"{column} = false", (column,))


def _state(what: str, table: str, before: str, after: str) -> Switch:
    states = ", ".join(f"'{state}'" for state in before.split())
    return Switch(what, table, f"t.state::text IN ({states})", f"state = '{after}'", ("state",))


def _gone(what: str, table: str) -> Switch:
    return Switch(what, table, "true", "")


MAIL = (
    Switch(
        "Outgoing mail servers",
        "ir_mail_server",
        # But for the one that Odoo puts there against fallbacks, and what Berth made of it (lead_mails_to).
        f"t.active AND t.smtp_host IS DISTINCT FROM 'invalid' AND t.name IS DISTINCT FROM '{CAUGHT}'",
        "active = false",
        ("active", "smtp_host", "name"),
    ),
    _off("Incoming mail servers", "fetchmail_server"),
    *emptied("Tokens of mail servers", "ir_mail_server", "google_gmail_refresh_token", "google_gmail_access_token"),
    *emptied("Tokens of mail servers", "ir_mail_server", "microsoft_outlook_refresh_token"),
    *emptied("Tokens of mail servers", "ir_mail_server", "microsoft_outlook_access_token"),
    *emptied("Tokens of mail servers", "fetchmail_server", "google_gmail_refresh_token", "google_gmail_access_token"),
    *emptied("Tokens of mail servers", "fetchmail_server", "microsoft_outlook_refresh_token"),
    *emptied("Tokens of mail servers", "fetchmail_server", "microsoft_outlook_access_token"),
    _state("Mails that waited", "mail_mail", "outgoing", "cancel"),
    _state("Text messages that waited", "sms_sms", "outgoing process", "canceled"),
    _state("Letters that waited", "snailmail_letter", "pending", "canceled"),
    _state("Mailings that waited", "mailing_mailing", "in_queue sending", "draft"),
    _state("Marketing campaigns", "marketing_campaign", "running", "stopped"),
    _state("WhatsApp messages that waited", "whatsapp_message", "outgoing", "cancel"),
    _off("WhatsApp accounts", "whatsapp_account"),
)
WORK = (
    Switch(
        "Scheduled actions",
        "ir_cron",
        f"t.active AND t.id NOT IN ({_CLEAN_UP})",
        "active = false",
        ("active", "id"),
    ),
    Switch(
        "Webhooks",
        "ir_act_server",
        "t.state = 'webhook' AND coalesce(t.webhook_url, '') NOT IN ('', 'neutralization - disable webhook')",
        "webhook_url = 'neutralization - disable webhook'",
        ("state", "webhook_url"),
    ),
    _gone("Log entries", "ir_logging"),
)
PEOPLE = (
    _gone("API keys", "res_users_apikeys"),
    _gone("Trusted devices", "auth_totp_device"),
    *emptied("Sign-up and reset links", "res_partner", "signup_token"),
    *emptied("Tokens of sign-in providers", "res_users", "oauth_access_token"),
    _off("Sign-in providers", "auth_oauth_provider", "enabled"),
)
ELSEWHERE = (
    *emptied("Social networks", "social_account", "facebook_access_token", "instagram_access_token"),
    *emptied("Social networks", "social_account", "linkedin_access_token", "twitter_oauth_token"),
    *emptied("Social networks", "social_account", "twitter_oauth_token_secret", "youtube_access_token"),
    *emptied("Social networks", "social_account", "youtube_refresh_token"),
    _state("Posts that waited", "social_post", "scheduled posting", "draft"),
    _gone("Push notifications", "mail_push_device"),
    _gone("Push notifications", "mail_push"),
    _gone("Push notifications", "mail_notification_web_push"),
    _gone("Push notifications", "mail_partner_device"),
    *emptied("Push notifications", "res_partner", "ocn_token"),
    *emptied("Push notifications", "website", "firebase_web_api_key", "firebase_push_certificate_key"),
    _off("Marketplace accounts", "amazon_account"),
    *emptied("Marketplace accounts", "amazon_account", "refresh_token", "access_token"),
    *emptied("Calendar and drive tokens", "res_users_settings", "google_calendar_rtoken", "google_calendar_token"),
    *emptied("Calendar and drive tokens", "res_users_settings", "microsoft_calendar_sync_token"),
    *emptied("Calendar and drive tokens", "res_users", "google_calendar_rtoken", "google_calendar_token"),
    *emptied("Calendar and drive tokens", "res_users", "microsoft_calendar_rtoken", "microsoft_calendar_token"),
    *emptied("Calendar and drive tokens", "google_calendar_credentials", "calendar_rtoken", "calendar_token"),
    *(
        Switch(what, "ir_config_parameter", f"t.key IN ({keys})", "", ("key",))
        for what, keys in _KEYS.items()
    ),
)  # fmt: skip
MONEY = (
    _off("Carriers in production mode", "delivery_carrier", "prod_environment"),
    Switch(
        "Carriers of others",
        "delivery_carrier",
        "t.active AND t.delivery_type NOT IN ('fixed', 'base_on_rule')",
        "active = false",
        ("active", "delivery_type"),
    ),
    _state("Payment providers", "payment_provider", "enabled", "disabled"),
    *emptied("Bank connections", "account_online_link", "refresh_token", "access_token"),
    _off("Bank connections", "account_online_link", "auto_sync"),
    _off("Bank connections", "online_bank_statement_provider"),
    Switch(
        "In-app purchase accounts",
        "iap_account",
        "t.account_token <> '' AND t.account_token NOT LIKE '%+disabled'",
        "account_token = left(split_part(account_token, '+', 1), 33) || '+disabled'",
        ("account_token",),
    ),
    Switch(
        "Electronic invoicing",
        "account_edi_proxy_client_user",
        "t.edi_mode = 'prod'",
        "edi_mode = 'test'",
        ("edi_mode",),
    ),
    *(
        Switch("Electronic invoicing", "res_company", f"t.{column} IS NOT TRUE", f"{column} = true", (column,))
        for column in (
            "l10n_mx_edi_pac_test_env",
            "l10n_co_edi_test_mode",
            "l10n_es_sii_test_env",
            "l10n_es_tbai_test_env",
            "l10n_ro_edi_test_env",
            "l10n_pe_edi_test_env",
        )
    ),
    _off("Electronic invoicing", "res_company", "l10n_eg_production_env"),
    _off("Electronic invoicing", "res_company", "l10n_in_edi_production_env"),
)
WEBSITE = (
    *emptied("Domains of websites", "website", "domain"),
    _off("Content delivery networks", "website", "cdn_activated"),
    Switch(
        "Websites open to robots",
        "website",
        f"t.robots_txt IS DISTINCT FROM {NO_ROBOTS}",
        f"robots_txt = {NO_ROBOTS}",
        ("robots_txt",),
    ),
    *emptied("Visitor counters", "website", "google_analytics_key", "plausible_shared_key"),
)

ALL: tuple[Switch, ...] = (*MAIL, *WORK, *PEOPLE, *ELSEWHERE, *MONEY, *WEBSITE)
