"""What is made of the results: tables, pictures and docs/benchmarks.md."""
