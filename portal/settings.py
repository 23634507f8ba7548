"""Settings of a Berth installation. Everything that differs between machines comes from the environment (README)."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from portal import environment as env

BASE_DIR = Path(__file__).resolve().parent.parent
BERTH_HOME = Path(env.text("BERTH_HOME", str(BASE_DIR / "var"))).resolve()
env.load(BERTH_HOME / env.text("BERTH_ENV_FILE", ".env"))  # web processes may only read one with fewer secrets

# --- The installation -------------------------------------------------------------------------------------------------
BERTH_INSTALLATION = env.text("BERTH_INSTALLATION", hint="Run bin/up once: it makes an installation under $BERTH_HOME.")
BERTH_BIND = env.text("BERTH_BIND", "127.0.0.1")
BERTH_PORTAL_PORT = env.number("BERTH_PORTAL_PORT", 8000)
BERTH_ROUTER_PORT = env.number("BERTH_ROUTER_PORT", 8080)
BERTH_TLS_PORT = env.number("BERTH_TLS_PORT", 0)  # https of hosted addresses, 443 for most; 0: http alone
BERTH_FAKEHUB_PORT = env.number("BERTH_FAKEHUB_PORT", 8010)
BERTH_PORTAL_URL = env.text("BERTH_PORTAL_URL", f"http://127.0.0.1:{BERTH_PORTAL_PORT}")
BERTH_DOMAIN = env.text("BERTH_DOMAIN", "localhost")  # hosted addresses are SLUG.BERTH_DOMAIN
BERTH_COMMIT_HEADER = env.flag("BERTH_COMMIT_HEADER", default=True)
BERTH_DOCKER_URL = env.text("BERTH_DOCKER_URL", "unix:///var/run/docker.sock")
BERTH_SUBNET = env.text("BERTH_SUBNET", "10.213.0.0/16")
BERTH_ODOO_IMAGES = env.pairs("BERTH_ODOO_IMAGES", "18.0=odoo:18.0")
BERTH_EXTRA_CA_FILE = env.text("BERTH_EXTRA_CA_FILE", "")
# TLS: the platform's own certificate (PEM with its key, for *.BERTH_DOMAIN), and who issues those of custom domains.
BERTH_TLS_CERTIFICATE = env.text("BERTH_TLS_CERTIFICATE", "")  # without one, hosted addresses have a self-signed one
BERTH_ACME_DIRECTORY = env.text("BERTH_ACME_DIRECTORY", "https://acme-v02.api.letsencrypt.org/directory")
BERTH_ACME_MAIL = env.text("BERTH_ACME_MAIL", "")  # where the authority writes to
BERTH_ACME_CA_FILE = env.text("BERTH_ACME_CA_FILE", "")  # by which an authority of your own is known
BERTH_RESOLVER = env.text("BERTH_RESOLVER", "")  # ADDRESS:PORT of the name server that custom domains are looked up at
BERTH_SLOTS = env.number("BERTH_SLOTS", 64)  # pools that may be awake at once; growing it reloads the router
BERTH_POOL_CPUS = env.number("BERTH_POOL_CPUS", 2)  # cores that one container may use
BERTH_BUILD_MEMORY_MB = env.number("BERTH_BUILD_MEMORY_MB", 2048)
BERTH_BUILD_SECONDS = env.number("BERTH_BUILD_SECONDS", 1800)  # that the build of an image may take
BERTH_CRON_MINUTES = env.number("BERTH_CRON_MINUTES", 15)  # of scheduled actions of staging, development; twice a day
BERTH_WAKES_PER_MINUTE = env.number("BERTH_WAKES_PER_MINUTE", 30)  # sleeping databases that a host may start
BERTH_QUOTA_GB = env.number("BERTH_QUOTA_GB", 100)  # of disk that a project may use; 0: as much as there is
BERTH_FREE_PERCENT = env.number("BERTH_FREE_PERCENT", 10)  # of the disk, below which new builds wait
BERTH_API_PER_MINUTE = env.number("BERTH_API_PER_MINUTE", 600)  # requests of one token
BERTH_REGION = env.text("BERTH_REGION", "here")
BERTH_DEMO = env.flag("BERTH_DEMO", default=True)

# PostgreSQL servers: Django's own, and the two where hosted databases live (URLs of a superuser).
BERTH_DATABASE_URL = env.text("BERTH_DATABASE_URL")
BERTH_HOSTED_URL = env.text("BERTH_HOSTED_URL", "")
BERTH_LAB_URL = env.text("BERTH_LAB_URL", "")

# Git hosting. The stand-in of the demo is allowed to be on a loopback address; a real installation is not.
BERTH_GITHUB_URL = env.text(
    "BERTH_GITHUB_URL", f"http://127.0.0.1:{BERTH_FAKEHUB_PORT}" if BERTH_DEMO else "https://github.com"
)
BERTH_GITHUB_API_URL = env.text(
    "BERTH_GITHUB_API_URL",
    "https://api.github.com" if BERTH_GITHUB_URL == "https://github.com" else f"{BERTH_GITHUB_URL}/api/v3",
)
BERTH_WEBHOOKS_ALLOW_PRIVATE = env.flag("BERTH_WEBHOOKS_ALLOW_PRIVATE", default=False)
BERTH_GIT_ALLOW_PRIVATE = env.flag("BERTH_GIT_ALLOW_PRIVATE", default=BERTH_DEMO)

# --- Django -----------------------------------------------------------------------------------------------------------
SECRET_KEY = env.secret("BERTH_SECRET_KEY")
BERTH_FERNET_KEYS = env.secret("BERTH_FERNET_KEYS").split(",")  # newest first; all of them decrypt
BERTH_RECOVERY_KEY = env.text("BERTH_RECOVERY_KEY", "")  # opens what hosting/selfbackup.py stores
DEBUG = env.flag("BERTH_DEBUG", default=False)
ALLOWED_HOSTS = [
    str(urlsplit(BERTH_PORTAL_URL).hostname),
    *filter(None, env.text("BERTH_ALLOWED_HOSTS", "127.0.0.1").split(",")),
]
CSRF_TRUSTED_ORIGINS = [BERTH_PORTAL_URL]
ROOT_URLCONF = "portal.urls"
ASGI_APPLICATION = "portal.asgi.application"
AUTH_USER_MODEL = "portal.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "social_django",
    "django_htmx",
    "template_partials",
    "rest_framework",
    "drf_spectacular",
    "django_q",
    "csp",
    "portal",
    "hosting",
    "projects",
    "builds",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "portal.context.installation",
                "projects.context.going_on",
            ],
        },
    }
]


def _database(url: str) -> dict[str, object]:
    parts = urlsplit(url)
    if parts.scheme not in {"postgres", "postgresql"}:
        raise env.BadEnvironment(f"BERTH_DATABASE_URL must start with postgresql://, not {parts.scheme!r}.")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path.lstrip("/"),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": unquote(parts.hostname or ""),
        "PORT": str(parts.port or ""),
        "CONN_HEALTH_CHECKS": True,
        "CONN_MAX_AGE": 0,
        "OPTIONS": {"connect_timeout": 5},
    }


DATABASES = {"default": _database(BERTH_DATABASE_URL)}

PASSWORD_HASHERS = ["portal.accounts.PBKDF2SHA512Hasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "sign-in"
LOGIN_REDIRECT_URL = "projects"
LOGOUT_REDIRECT_URL = "sign-in"

AUTHENTICATION_BACKENDS = [
    "social_core.backends.github_enterprise.GithubEnterpriseOAuth2",
    "django.contrib.auth.backends.ModelBackend",
]
SOCIAL_AUTH_URL_NAMESPACE = "social"
SOCIAL_AUTH_JSONFIELD_ENABLED = True
SOCIAL_AUTH_GITHUB_ENTERPRISE_URL = BERTH_GITHUB_URL
SOCIAL_AUTH_GITHUB_ENTERPRISE_API_URL = BERTH_GITHUB_API_URL
SOCIAL_AUTH_GITHUB_ENTERPRISE_KEY = env.text("BERTH_GITHUB_CLIENT_ID", "berth")
SOCIAL_AUTH_GITHUB_ENTERPRISE_SECRET = env.text("BERTH_GITHUB_CLIENT_SECRET", "")
SOCIAL_AUTH_GITHUB_ENTERPRISE_SCOPE = ["read:user", "user:email", "repo", "admin:repo_hook"]
# No step here associates by mail address: signing in must never open an account that someone else owns.
SOCIAL_AUTH_PIPELINE = [
    "social_core.pipeline.social_auth.social_details",
    "social_core.pipeline.social_auth.social_uid",
    "social_core.pipeline.social_auth.auth_allowed",
    "social_core.pipeline.social_auth.social_user",
    "portal.accounts.refuse_another_account",
    "social_core.pipeline.user.get_username",
    "social_core.pipeline.user.create_user",
    "social_core.pipeline.social_auth.associate_user",
    "portal.accounts.remember_github",
]
SOCIAL_AUTH_CLEAN_USERNAMES = False
SOCIAL_AUTH_LOGIN_ERROR_URL = "/sign-in/"

SESSION_COOKIE_NAME = f"berth_{BERTH_INSTALLATION}_session"
CSRF_COOKIE_NAME = f"berth_{BERTH_INSTALLATION}_csrf"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = BERTH_PORTAL_URL.startswith("https://")
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
        "form-action": ["'self'", BERTH_GITHUB_URL],
    }
}

# --- The API ----------------------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["portal.api.authentication.TokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_THROTTLE_CLASSES": ["portal.api.throttling.PerToken"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["portal.api.reading.Json"],
    "DEFAULT_METADATA_CLASS": None,  # OPTIONS: the schema says more
    "DEFAULT_SCHEMA_CLASS": "portal.api.description.Described",
    "EXCEPTION_HANDLER": "portal.api.problems.answer",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Berth",
    "DESCRIPTION": "Everything that the portal's pages do. Make a token under Account, API tokens.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "COMPONENT_SPLIT_PATCH": False,
    "ENUM_NAME_OVERRIDES": {  # those whose field's name others have too
        "StateEnum": "portal.models.State",
        "DeliveryStateEnum": "projects.models.HookDelivery.State",
        "DeployKeyKindEnum": "projects.models.DeployKey.Kind",
        "EventEnum": "projects.news.Event",
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "portal.api.description.say_what_is_refused",
    ],
}

# Mail: of alarms. smtp://user:password@host:587 begins TLS at once after the greeting, smtps:// before it.
_SMTP = urlsplit(env.text("BERTH_SMTP_URL", ""))
EMAIL_HOST, EMAIL_PORT = _SMTP.hostname or "", _SMTP.port or (465 if _SMTP.scheme == "smtps" else 587)
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = unquote(_SMTP.username or ""), unquote(_SMTP.password or "")
EMAIL_USE_SSL, EMAIL_USE_TLS = _SMTP.scheme == "smtps", _SMTP.scheme == "smtp" and bool(_SMTP.username)
EMAIL_TIMEOUT = 20
DEFAULT_FROM_EMAIL = env.text("BERTH_MAIL_FROM", f"berth@{BERTH_DOMAIN}")

STATIC_URL = "/static/"
STATIC_ROOT = BERTH_HOME / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
# Not those that apps bring: no page uses any, and compressing them took most of collectstatic's time.
STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.FileSystemFinder"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}

LANGUAGE_CODE = "en"
USE_I18N = False
TIME_ZONE = "UTC"
USE_TZ = True

# A task of django-q2 says only "look at story 42" (portal/stories.py); the rows are the truth. It keeps the queues, and
# no more than that: portal/management/commands/worker.py answers them.
Q_CLUSTER = {"name": "background", "orm": "default", "timeout": 60, "retry": 120}

# How many rings of a queue are answered at once. `background` has backups, restores, downloads and imports, which take
# long; `rounds` wait for none of them, and no two of these go on at once (portal/rounds.py). `domains` waits for name
# servers and certificate authorities.
BERTH_WORKERS = {
    "urgent": 4,
    "deploy": env.number("BERTH_DEPLOY_WORKERS", 2),
    "background": 4,
    "rounds": 1,
    "outside": 3,  # what waits for others: name servers, authorities, mail servers, webhooks
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env.text("BERTH_LOG_LEVEL", "INFO")},
    "loggers": {"httpx": {"level": "WARNING"}, "github": {"level": "WARNING"}},
}
