# suite.sh - for run-unit and run-e2e: tests JOBS at a time, each one's words told as a whole when it ends.

# A folder for what the tests say; the time after which a holder's report counts.
suite_begin() {
        suite_dir=$(mktemp -d)
        suite_jobs=${JOBS:-2} suite_n=0
        trap 'rm -rf "$suite_dir"' EXIT
        touch "$suite_dir/began"
}

# Runs COMMAND NAME OUT beside the others, once there is a place. sh cannot wait for the next one to end: it looks.
suite_start() { # COMMAND NAME
        while [ $((suite_n - $(find "$suite_dir" -name '*.done' | wc -l))) -ge "$suite_jobs" ]; do
                sleep 0.1
        done
        suite_n=$((suite_n + 1))
        suite_out=$suite_dir/$(printf %04d $suite_n)
        {
                "$1" "$2" "$suite_out"
                flock "$suite_dir/began" cat "$suite_out"
                touch "$suite_out.done"
        } &
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
