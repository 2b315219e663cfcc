"""Small real models that several chapters share."""
