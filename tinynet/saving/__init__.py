"""Files: written whole or not at all, and models and runs in them."""
