"""How notebooks are guarded: what must hold for every stored notebook, and tests of the tools that execute them."""
