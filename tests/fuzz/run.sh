#!/bin/sh
# run.sh BUILD SECONDS [TARGET...] - let every fuzz target of BUILD run for SECONDS, two at a time
#
# Each starts from its seeds in tests/fuzz/corpus; what it finds on the way is kept in
# BUILD/corpus and used again next time. Prints a line per target, "ok" or "FAILED"; the input of a
# finding stays in BUILD/findings. The exit status is 0 only if nothing was found.
cd "$(dirname "$0")/../.." || exit 2
build=$1 seconds=$2
[ -n "$seconds" ] || { echo "usage: $0 BUILD SECONDS [TARGET...]" >&2; exit 2; }
shift 2
[ $# -gt 0 ] || set -- $(cd tests/fuzz && ls fuzz_*.c | sed 's/^fuzz_//; s/\.c$//')
mkdir -p "$build/findings"

# Run target $1; its line and its status.
one() {
	log=$build/findings/$1.log
	mkdir -p "$build/corpus/$1"
	set -- "$1" "$build/corpus/$1" "tests/fuzz/corpus/$1"
	dict=
	[ -f "tests/fuzz/$1.dict" ] && dict=-dict=tests/fuzz/$1.dict
	UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 "$build/fuzz_$1" \
		-max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 \
		-artifact_prefix="$build/findings/$1-" $dict "$2" "$3" >"$log" 2>&1
	if [ $? -eq 0 ]; then
		echo "ok fuzz $1: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") runs"
		return 0
	fi
	echo "FAILED fuzz $1: see $log"
	grep -m 3 -E 'ERROR|runtime error|SUMMARY' "$log" | sed 's/^/    /'
	return 1
}

failed=0
while [ $# -gt 0 ]; do
	one "$1" & first=$!
	second=
	[ $# -gt 1 ] && { one "$2" & second=$!; shift; }
	shift
	wait "$first" || failed=1
	[ -z "$second" ] || wait "$second" || failed=1
done
exit $failed
