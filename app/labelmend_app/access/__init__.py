"""Who may reach the server, from where, and what their browser may load."""
