"""Who may do what: passwords, sessions, tokens, throttling, headers, permissions."""
