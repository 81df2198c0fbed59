"""Energy of memories and controllers: models, each with a name that goes with every figure."""
