"""The application that gunicorn serves: `manager.rest.wsgi:application`."""

from manager.log import configure_logging
from manager.rest.app import create_app
from manager.settings import settings_path
from manager.settings_file import load_settings

_settings = load_settings(settings_path())
configure_logging(_settings.rest.log_level)
application = create_app(_settings)
