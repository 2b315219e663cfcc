"""Make .venv with the locked requirements: what `make lab` and `make test` do before anything else.

Standard library only, and readable by Python 3.6, so that an old Python can say in one sentence that it is too old.
A stamp inside .venv says which lock it was made from; with a fresh stamp nothing is done. A set-up that was
interrupted leaves a marker without a stamp, and the next run starts .venv anew from the cache.
"""
