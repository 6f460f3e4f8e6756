#!/bin/sh
# Prints the newest Python from 3.11 to 3.13 that really runs: a name on the path may be an empty shim.
for name in python3.13 python3.12 python3.11 python3; do
    if "$name" -c 'import ensurepip, sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
        command -v "$name"
        exit 0
    fi
done
echo "No Python from 3.11 to 3.13 with venv was found; on Debian: apt install python3 python3-venv" >&2
exit 1
