"""Looking into it: gradient checks, tables of plans, profiles."""
