#!/bin/sh
# run.sh - build everything and run every test; ends with "N passed, N failed"
cd "$(dirname "$0")/.." || exit 1
make --no-print-directory -s all >/dev/null || { echo "0 passed, 1 failed"; exit 1; }
out=$(${PYTHON:-/usr/bin/python3} -m pytest -q tests/e2e tests/compat 2>&1)
echo "$out" | grep -E '^(FAILED|ERROR)'
passed=$(echo "$out" | sed -n 's/.*[^0-9]\{0,1\}\([0-9][0-9]*\) passed.*/\1/p' | tail -1)
failed=$(echo "$out" | sed -n 's/\([0-9][0-9]*\) failed.*/\1/p' | tail -1)
echo "${passed:-0} passed, ${failed:-0} failed"
[ "${failed:-0}" = 0 ] && [ "${passed:-0}" != 0 ]
