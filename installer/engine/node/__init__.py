"""The half of the engine that runs on a node: plain Python of the standard library, sent as text.

Nothing here is installed on the node: `installer.engine.wire` sends the sources that a command
needs, so these modules import only each other and what a bare Debian host has. Heavy modules are
imported where they are used: `json`, `re` and `subprocess` cost 10 ms each on every node.
"""
