"""Where the reader works: the workspace, panels and controls, and the server that shows them."""
