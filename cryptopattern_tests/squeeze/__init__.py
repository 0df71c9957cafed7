"""Tests of the squeeze package."""
