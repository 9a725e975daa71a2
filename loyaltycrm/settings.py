"""Every deployment setting, read from the environment; a missing one stops the start with a sentence.

Business knobs are not here: they are rows that a manager edits (`loyaltycrm.core.knobs`).
"""

import os
from pathlib import Path
from typing import Any

import structlog
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _
from environs import Env

BASE_DIR = Path(__file__).resolve().parent.parent

env = Env()
env.read_env(str(BASE_DIR / ".env"), recurse=False)

DEBUG: bool = env.bool("DEBUG", False)
METRICS_TOKEN: str = env.str("METRICS_TOKEN", "")
DEMO: bool = env.bool("DEMO", False)

KNOWN_SECRET_KEYS = ("changeme", "change-me", "secret", "django-insecure", "insecure", "example")
SECRET_KEY: str = env.str("SECRET_KEY", "")
if len(SECRET_KEY) < 32 or any(known in SECRET_KEY.lower() for known in KNOWN_SECRET_KEYS):
    raise ImproperlyConfigured(
        "Set SECRET_KEY to a private random text of at least 32 characters; `make env` writes one into .env."
    )
SECRET_KEY_FALLBACKS: list[str] = env.list("SECRET_KEY_FALLBACKS", [])

BASE_URL: str = env.str("BASE_URL", "http://127.0.0.1:8000").rstrip("/")
ALLOWED_HOSTS: list[str] = env.list("ALLOWED_HOSTS", ["127.0.0.1", "localhost"])
CSRF_TRUSTED_ORIGINS: list[str] = env.list("CSRF_TRUSTED_ORIGINS", [])
SECURE: bool = BASE_URL.startswith("https://")
BEHIND_PROXY: bool = env.bool("BEHIND_PROXY", False)

INSTALLED_APPS = [
    "loyaltycrm.core",
    "customers",
    "rewards",
    "feedback",
    "loyaltycrm.shop",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "crispy_forms",
    "crispy_bootstrap5",
    "csp",
    "django_htmx",
    "django_filters",
    "django_tables2",
    "django_prometheus",
    "django_linear_migrations",
    "anymail",
    "loyaltycrm.local",
]

MIDDLEWARE = [
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "loyaltycrm.core.middleware.DeviceMiddleware",
    "loyaltycrm.core.middleware.PolicyMiddleware",
    "loyaltycrm.core.api.middleware.ApiMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "loyaltycrm.core.bodies.BodyMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "loyaltycrm.core.middleware.LanguageMiddleware",
    "loyaltycrm.core.idle.IdleMiddleware",
    "loyaltycrm.core.middleware.PermissionMiddleware",
    "loyaltycrm.core.middleware.SecondFactorMiddleware",
    "loyaltycrm.core.middleware.HostileInputMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "loyaltycrm.core.middleware.LogMiddleware",
    "django_prometheus.middleware.PrometheusAfterMiddleware",
]

ROOT_URLCONF = "loyaltycrm.urls"
WSGI_APPLICATION = "loyaltycrm.wsgi.application"

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
                "loyaltycrm.core.context.shell",
            ],
        },
    }
]

DATABASES = {
    "default": {
        **env.dj_db_url("DATABASE_URL", "postgres://loyaltycrm@127.0.0.1:5432/loyaltycrm"),
        "CONN_MAX_AGE": env.int("CONN_MAX_AGE", 600),
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            "server_side_binding": True,
            "prepare_threshold": env.int("PREPARE_AFTER", 5) or None,
            "options": " ".join(
                [
                    f"-c lock_timeout={env.str('LOCK_TIMEOUT', '5s')}",
                    f"-c statement_timeout={env.str('STATEMENT_TIMEOUT', '30s')}",
                    "-c idle_in_transaction_session_timeout=60s",
                    "-c timezone=UTC",
                ]
            ),
        },
    }
}
if DATABASES["default"]["ENGINE"] != "django.db.backends.postgresql":
    raise ImproperlyConfigured("Set DATABASE_URL to a PostgreSQL database (postgres://…); no other kind works.")
DATABASES["default"]["ENGINE"] = "loyaltycrm.lib.postgresql"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
TEST_NON_SERIALIZED_APPS: list[str] = []

REDIS_URL: str = env.str("REDIS_URL", "redis://127.0.0.1:6379/0")
CACHES = {
    "default": {
        "BACKEND": "loyaltycrm.lib.redis_cache.RedisCache",
        "LOCATION": REDIS_URL,
        "OPTIONS": {"socket_timeout": 1, "socket_connect_timeout": 1},
    }
}
SESSION_ENGINE = "django.contrib.sessions.backends.db"

# A till that counts every item still stays below; 0 is no limit.
API_REQUESTS_PER_MINUTE: int = env.int("API_REQUESTS_PER_MINUTE", 600)

# For trying webhooks out: receivers on this machine, also without TLS.
WEBHOOKS_TO_LOOPBACK: bool = env.bool("WEBHOOKS_TO_LOOPBACK", DEBUG or DEMO)

# --- Celery: see docs/adr/0004-sending.md for why each of these is so.
CELERY_BROKER_URL = REDIS_URL
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_SOFT_TIME_LIMIT = 120
CELERY_TASK_TIME_LIMIT = 150
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 600,
    "socket_timeout": 5,
    "socket_connect_timeout": 2,
    "unacked_restore_interval": 10,
    "global_keyprefix": env.str("CELERY_KEY_PREFIX", ""),
}
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 2, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.5}
CELERY_TIMEZONE = "UTC"
CELERY_ENABLE_UTC = True

# --- Mail
EMAIL_BACKEND: str = env.str("EMAIL_BACKEND", "django.core.mail.backends.smtp.EmailBackend")
EMAIL_HOST: str = env.str("EMAIL_HOST", "127.0.0.1")
EMAIL_PORT: int = env.int("EMAIL_PORT", 1025)
EMAIL_HOST_USER: str = env.str("EMAIL_HOST_USER", "")
EMAIL_HOST_PASSWORD: str = env.str("EMAIL_HOST_PASSWORD", "")
EMAIL_USE_TLS: bool = env.bool("EMAIL_USE_TLS", False)
EMAIL_USE_SSL: bool = env.bool("EMAIL_USE_SSL", False)
EMAIL_TIMEOUT = 20
DEFAULT_FROM_EMAIL: str = env.str("DEFAULT_FROM_EMAIL", "loyaltycrm@localhost")
SERVER_EMAIL = DEFAULT_FROM_EMAIL
# Everything that begins with ANYMAIL_ is a setting of django-anymail without that beginning.
ANYMAIL = {name.removeprefix("ANYMAIL_"): text for name, text in os.environ.items() if name.startswith("ANYMAIL_")}
MAIL_EVENTS_FROM: str = env.str("MAIL_EVENTS_FROM", "")
MAILBOX_DIR: str = env.str("MAILBOX_DIR", "")

# --- People
AUTH_USER_MODEL = "core.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "shop:home"
ACCOUNT_ADAPTER = "loyaltycrm.core.accounts.StaffAccountAdapter"
ACCOUNT_FORMS = {
    "login": "loyaltycrm.core.account_forms.Login",
    "change_password": "loyaltycrm.core.account_forms.ChangePassword",
    "set_password": "loyaltycrm.core.account_forms.SetPassword",
    "reset_password": "loyaltycrm.core.account_forms.AskForNewPassword",
    "reset_password_from_key": "loyaltycrm.core.account_forms.NewPassword",
    "reauthenticate": "loyaltycrm.core.account_forms.TypePasswordAgain",
}
MFA_FORMS = {
    "authenticate": "loyaltycrm.core.account_forms.SecondStep",
    "reauthenticate": "loyaltycrm.core.account_forms.SecondStepAgain",
    "activate_totp": "loyaltycrm.core.account_forms.SwitchOnSecondStep",
}
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_PREVENT_ENUMERATION = "strict"
ACCOUNT_SESSION_REMEMBER = False
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_RATE_LIMITS = {"login_failed": "5/5m/key,20/5m/ip"} if not DEMO else {"login_failed": "50/5m/ip"}
# Behind a proxy every request comes from the proxy's address: the sender's is the last one it wrote down.
ALLAUTH_TRUSTED_PROXY_COUNT = 1 if BEHIND_PROXY else 0
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_ALLOW_UNVERIFIED_EMAIL = True  # an admin makes the accounts; nobody is asked to confirm an address
REQUIRE_SECOND_FACTOR: bool = env.bool("REQUIRE_SECOND_FACTOR", not DEMO)
SESSION_COOKIE_AGE = 12 * 60 * 60
SESSION_COOKIE_NAME = env.str("SESSION_COOKIE_NAME", "loyaltycrm_session")
SESSION_COOKIE_SECURE = SECURE
CSRF_COOKIE_SECURE = SECURE
CSRF_COOKIE_HTTPONLY = True

# --- The browser
SECURE_HSTS_SECONDS = 31_536_000 if SECURE else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE
SECURE_HSTS_PRELOAD = False
# W021: preloading binds a whole domain for years, which is the operator's choice.
SILENCED_SYSTEM_CHECKS = ["security.W021", *env.list("SILENCED_CHECKS", [])]
SECURE_SSL_REDIRECT: bool = env.bool("SECURE_SSL_REDIRECT", SECURE)
SECURE_REDIRECT_EXEMPT = [r"^health/$"]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if BEHIND_PROXY else None
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "object-src": [NONE],
        "frame-ancestors": [NONE],
    }
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 2_621_440
IMPORT_LARGEST_MB: int = env.int("IMPORT_LARGEST_MB", 200)
DATA_UPLOAD_MAX_NUMBER_FIELDS = 1000

# --- Words and formats
LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("lv", _("Latvian")), ("ru", _("Russian"))]
LOCALE_PATHS = [BASE_DIR / "loyaltycrm" / "locale"]
LANGUAGE_COOKIE_NAME = "language"
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"

# --- Files
STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = Path(env.str("STATIC_ROOT", str(BASE_DIR / "var" / "static")))
WHITENOISE_USE_FINDERS = DEBUG or DEMO
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if env.bool("STATIC_MANIFEST", not (DEBUG or DEMO))
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}

CRISPY_ALLOWED_TEMPLATE_PACKS = "bootstrap5"
CRISPY_TEMPLATE_PACK = "bootstrap5"
DJANGO_TABLES2_TEMPLATE = "components/table.html"

# Plain tracebacks: rich ones print what variables hold, which is people's data.
_before_rendering: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]
structlog.configure(
    processors=[
        structlog.stdlib.filter_by_level,
        *_before_rendering,
        structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
    ],
    logger_factory=structlog.stdlib.LoggerFactory(),
    cache_logger_on_first_use=True,
)
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "json": {
            "()": "structlog.stdlib.ProcessorFormatter",
            "foreign_pre_chain": _before_rendering,
            "processors": [
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(ensure_ascii=False),
            ],
        },
        "plain": {
            "()": "structlog.stdlib.ProcessorFormatter",
            "foreign_pre_chain": _before_rendering,
            "processors": [
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
            ],
        },
    },
    "filters": {"hide_secrets": {"()": "loyaltycrm.lib.logs.HideSecrets"}},
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": "plain" if DEBUG or DEMO else "json",
            "filters": ["hide_secrets"],
        }
    },
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", "INFO")},
    "loggers": {"django.server": {"handlers": [], "propagate": True}},
}
