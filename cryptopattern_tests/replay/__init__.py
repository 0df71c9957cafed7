"""A local server that speaks venues' REST, keeps their limits, and fails by a script: for tests and benchmarks."""

from cryptopattern_tests.replay.server import Reply, Server, as_json, files_of, serving
from cryptopattern_tests.replay.venues import BinanceReplies, CoinglassReplies, GateReplies, OkxReplies

__all__ = [
    "BinanceReplies",
    "CoinglassReplies",
    "GateReplies",
    "OkxReplies",
    "Reply",
    "Server",
    "as_json",
    "files_of",
    "serving",
]
