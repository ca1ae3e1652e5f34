#!/bin/sh
# coverage.sh - which lines the tests reach: unit and end-to-end tests with a build that counts
#
#   tools/coverage.sh [PYTEST-ARGUMENT...]    prints every source file, and those below 85 %
#
# Needs gcovr. A program that is killed, or ends in chroot(2), leaves no counts: the truth is higher.
# test_faults.py is left out: system calls that fail spoil the files with the counts.
set -e
cd "$(dirname "$0")/.."
build=build-coverage
# gcc would end the counting before each exec, and after a vfork that is the end of ours
[ -f $build/build.ninja ] || meson setup $build -Db_coverage=true -Dbuildtype=debug \
	-Dc_args='-fno-builtin-execv -fno-builtin-execve -fno-builtin-execvp' >/dev/null
ninja -C $build >/dev/null
find $build -name '*.gcda' -delete
meson test -C $build --suite unit >/dev/null || echo "unit tests failed"
find $build -type d -exec chmod a+rwx {} +
SOCAST=$build/socast SOCAST_TEST_SLOW=3 SOCAST_TEST_POLITE=1 /usr/bin/python3 -m pytest -q -p no:cacheprovider --ignore=tests/e2e/test_faults.py "${@:-tests/e2e}" |
	tail -n 15
find $build -name '*.gcda' -exec chmod a+r {} +
gcovr --root . --filter src/ --exclude-unreachable-branches --gcov-ignore-parse-errors \
	--fail-under-line 0 $build >$build/coverage.txt
awk '/^src/ { print } /^TOTAL/ { print }' $build/coverage.txt
echo "below 85 %:"
awk '/^src/ && $4 + 0 < 85 { print $1, $4 }' $build/coverage.txt
