"""The demo: ``python -m examples.demo [--port PORT] [--redis [URL]]``. Read ``app.py`` first."""
