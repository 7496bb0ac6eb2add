"""The Coq development (theories/), and its link to the Python kernel: what is exported to it and replayed in it."""
