"""The addresses, a module a subject; each is thin: parameters in, a question asked, an answer out."""
