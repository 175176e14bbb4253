"""The offline bundle: everything that nodes of one Debian release install, in one directory."""
