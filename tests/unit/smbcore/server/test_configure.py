from __future__ import annotations

from smbcore.nt.guid import to_text
from smbcore.server.configure import server_config
from smbcore.state.configuration import Settings


def test_limits_on_kept_handles_and_breaks_come_from_the_settings():
    settings = Settings(
        server_guid=to_text(bytes(range(16))), max_away=5, max_kept_per_client=4, max_kept_per_user=3,
        max_kept_per_session=2, max_unanswered_breaks=1,
    )  # fmt: skip
    limits = server_config(settings).limits
    assert limits.disconnected_opens == 5
    assert (limits.kept_per_client, limits.kept_per_user, limits.kept_per_session) == (4, 3, 2)
    assert limits.unanswered_breaks == 1


def test_defaults_of_the_settings_are_those_of_the_server():
    limits = server_config(Settings(server_guid=to_text(bytes(range(16))))).limits
    assert limits == type(limits)()
