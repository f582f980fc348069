"""Who counts as an administrator."""

from rpc_peers import FakeContext, token

from smbcore.rpc.context import PipeContext, is_administrator


def test_only_administrators_tokens_are_administrators():
    assert is_administrator(token(administrator=True))
    assert not is_administrator(token())


def test_the_tests_context_fulfils_the_protocol():
    context: PipeContext = FakeContext()
    assert context.server_name == "ANCHOR"
