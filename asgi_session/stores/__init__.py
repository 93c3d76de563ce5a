"""Where records are kept: ``base`` is the contract, every other module one way to keep it."""
