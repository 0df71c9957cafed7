"""Commands of the command line, a module each; `cli.py` puts them together. Heavy imports stand inside of them."""
