# tests/bench/: the benchmarks. `make bench`, or `make bench BENCH="list-200 save-throughput"`; results go to bench/results.json.
EXTRA_DIST += deploy/packages-bench tests/bench/run tests/bench/benchlib.py tests/bench/daemon.py tests/bench/peer.py \
	tests/bench/bench_fleet.py tests/bench/bench_move.py tests/bench/bench_pack.py tests/bench/bench_save.py tests/bench/bench_start.py tests/bench/bench_tunnel.py

noinst_PROGRAMS += tests/bench/tunnel-rate-tls tests/bench/tunnel-rate-plain
tests_bench_tunnel_rate_tls_SOURCES = tests/bench/tunnel-rate.c tests/bench/tunnel-rate.h tests/bench/tunnel-tls.c
tests_bench_tunnel_rate_tls_LDADD = $(COMMON_LIBS)
# In front of the library: its verbs stand in for those of common/tls-session.c there.
tests_bench_tunnel_rate_plain_SOURCES = tests/bench/tunnel-rate.c tests/bench/tunnel-rate.h tests/bench/tunnel-plain.c
tests_bench_tunnel_rate_plain_LDADD = $(COMMON_LIBS)

.PHONY: bench
bench: hypervisord holdfast tests/tools/rpc-call tests/tools/make-pki tests/bench/tunnel-rate-tls tests/bench/tunnel-rate-plain
	HOLDFAST_BUILD='$(abs_top_builddir)' $(top_srcdir)/tests/bench/run $(BENCH)
