# suite.sh - for run-unit and run-e2e: tests JOBS at a time, each one's words told as a whole when it ends.

# A folder for what the tests say; the time after which a holder's report counts. A pipe holds a line for each
# place that is free: to read one is to wait for it.
suite_begin() {
        suite_dir=$(mktemp -d)
        suite_n=0
        trap 'rm -rf "$suite_dir"' EXIT
        touch "$suite_dir/began"
        mkfifo "$suite_dir/places"
        exec 9<>"$suite_dir/places"
        for suite_place in $(seq "${JOBS:-2}"); do
                echo "$suite_place" >&9
        done
}

# The programs of this suite write there which orders of locks they took (latch/orders.h); tools/check-orders
# judges all suites. Servers that give up root write there, too.
suite_orders() { # NAME
        LATCH_ORDERS=$(realpath -m "${BUILD:-build}/orders/$1")
        rm -rf "$LATCH_ORDERS"
        mkdir -p "$LATCH_ORDERS"
        chmod 1777 "$LATCH_ORDERS"
        export LATCH_ORDERS
}

# Runs COMMAND NAME OUT beside the others, once there is a place.
suite_start() { # COMMAND NAME
        read -r suite_place <&9
        suite_n=$((suite_n + 1))
        suite_out=$suite_dir/$(printf %04d $suite_n)
        {
                "$1" "$2" "$suite_out" 9>&-
                flock "$suite_dir/began" cat "$suite_out"
                echo "$suite_place" >&9
        } &
}

# Seconds of processor that what this test started took, as far as it was waited for. A subshell of its own, as a pipe
# has, would count anew.
suite_cpu() { # OUT
        times >"$1.times"
        awk 'NR == 2 { for (i = 1; i <= 2; i++) { split($i, t, /[ms]/); sum += 60 * t[1] + t[2] } printf "%.0f", sum }' \
                "$1.times"
}

suite_wait() {
        wait
}

# Counts, and looks for what outlives a test: holders write down what the address sanitizer finds in
# them (latch_hold_main.c). The last line is the counts.
suite_end() { # VARIANT
        passed=0 failed=0 skipped=0
        for suite_out in "$suite_dir"/[0-9][0-9][0-9][0-9]; do
                [ -f "$suite_out" ] || continue
                read -r p f s <"$suite_out.counts" || { p=0 f=1 s=0; }
                passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
        done
        for suite_report in $(find /tmp -maxdepth 1 -name 'latch-hold-report.*' -newer "$suite_dir/began"); do
                echo "FAILED $1 holder ($suite_report)"
                cat "$suite_report"
                failed=$((failed + 1))
        done
        echo "$passed passed, $failed failed, $skipped skipped"
        [ "$failed" -eq 0 ]
}
