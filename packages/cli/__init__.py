"""The console script `ingress`: one module a command group."""
