"""Exercises of chapter 06, data parallel."""
