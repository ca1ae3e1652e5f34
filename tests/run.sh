#!/bin/sh
# run.sh - everything that "make check" runs; see run.py
exec "${PYTHON:-/usr/bin/python3}" "$(dirname "$0")/run.py" "$@"
