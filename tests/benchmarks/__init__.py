"""The benchmarks' own logic: a number that nobody has checked is no measurement."""
