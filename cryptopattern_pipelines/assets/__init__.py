"""The software-defined assets: thin, one file a group."""
