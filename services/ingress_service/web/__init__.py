"""The HTTP side of the ingress: routes, authentication, bodies, checks and answers."""
