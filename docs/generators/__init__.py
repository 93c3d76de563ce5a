"""Where the generated parts of the pages come from: one module for each kind."""
