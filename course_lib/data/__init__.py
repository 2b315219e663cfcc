"""Frozen real data sets that several chapters share; nothing is downloaded."""
