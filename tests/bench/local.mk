# tests/bench/: the benchmarks. `make bench`, or `make bench BENCH="list-200 save-throughput"`; results go to bench/results.json.
EXTRA_DIST += deploy/packages-bench tests/bench/run tests/bench/benchlib.py tests/bench/daemon.py tests/bench/peer.py \
	tests/bench/bench_fleet.py tests/bench/bench_move.py tests/bench/bench_save.py tests/bench/bench_start.py

.PHONY: bench
bench: hypervisord holdfast
	HOLDFAST_BUILD='$(abs_top_builddir)' $(top_srcdir)/tests/bench/run $(BENCH)
