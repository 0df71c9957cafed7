"""The pages of the service, for people who look rather than query: rendered here, light, and whole without scripts."""
