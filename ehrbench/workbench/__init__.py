"""Local web pages on which people look at items and judge answers; nothing here leaves this machine unasked."""
