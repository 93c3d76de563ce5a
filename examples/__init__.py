"""Examples: each file is one runnable application that says how to run it. README.md lists them."""
