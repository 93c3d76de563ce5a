"""For frameworks that don't look for ``scope["session"]`` themselves. Each module needs its framework, the package needs none."""
