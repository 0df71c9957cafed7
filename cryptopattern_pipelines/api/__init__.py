"""The REST service: `cryptopattern serve`. Reads the serving tables, and analyses pictures that are sent to it."""
