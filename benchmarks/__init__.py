"""What the package costs, measured beside the packages that people use instead: `python -m benchmarks --help`.

Read `registry.py` (who is measured), `driver.py` (how a request is driven), then `suite/` (what is measured, one module each).
"""
