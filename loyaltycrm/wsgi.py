"""The WSGI entry point that granian or gunicorn serves."""

import os
from importlib import import_module

from django.conf import settings
from django.core.wsgi import get_wsgi_application

from loyaltycrm.lib.garbage import set_aside_what_is_loaded

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "loyaltycrm.settings")

application = get_wsgi_application()
import_module(settings.ROOT_URLCONF)
set_aside_what_is_loaded()
