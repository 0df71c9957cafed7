"""Tests of `cryptopattern_pipelines.market`, file by file."""
