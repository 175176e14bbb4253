"""Real Debian hosts on this machine: systemd-nspawn containers inside one network namespace."""
