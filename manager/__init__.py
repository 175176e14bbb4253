"""The manager runtime that the installer deploys; it speaks the REST contract of Cloudify 7.0.5."""

VERSION = "7.0.5"  # of the contract; clients print it and name snapshots after it
EDITION = "community"  # a client asks a premium manager for its licence before each upload
