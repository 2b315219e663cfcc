"""Imported last in the fork server: the heap so far is shared, so the ranks' garbage collector must leave it alone.

Without this the first collection in a rank touches every object and un-shares 60 MB (a private copy per rank).
"""

import gc

gc.collect()
gc.freeze()
