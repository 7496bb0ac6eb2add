"""One file a command of `certify`: its arguments, what it prints, its exit code. No arithmetic lives here.

`certify/cli.py` lists them; each loads what it needs when it runs, so that `certify --help` stays fast.
"""
