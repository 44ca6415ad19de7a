"""What a receiver's own library refuses."""

import pytest

from activities.clients.apprise_targets import Endpoint, Mail, send_mail
from activities.model.errors import ConfigurationError


def test_settings_the_library_refuses_are_a_mistake_of_the_configuration() -> None:
    """They are raised as one, counted and retried like other failures, without the credential."""
    mail = Mail(sender="nobody", recipients=("ops@example.org",), user="me", password="hidden")
    with pytest.raises(ConfigurationError, match="refused the settings") as refused:
        send_mail(Endpoint("smtp://127.0.0.1:1", 1.0), mail, "title", "text")
    assert "hidden" not in str(refused.value)
