"""Real server programs and every framework, with the middleware in between."""
