// SPDX-License-Identifier: GPL-3.0-or-later
// The connection to the CIB, kept up with backoff, and the latest snapshot, read again at each change. A snapshot stays
// valid for those who hold a reference. Pacemaker may be absent: then there is no connection, but the last snapshot
// stays.
#ifndef CLUSTERD_CIB_LINK_H
#define CLUSTERD_CIB_LINK_H

#include <stdbool.h>
#include "clusterd/cib.h"
#include "clusterd/notice.h"
#include "common/loop.h"

struct cib_link;
struct snapshot {
	unsigned references;
	struct cib_snapshot *cib;
};

typedef void cib_link_cb(const struct cib_snapshot *cib, void *data);
// CHANGED is raised after each new snapshot and when the connection comes or goes. SEEN is called for each new
// snapshot, and must not wait.
struct cib_link *cib_link_new(struct loop *loop, struct notice *changed, cib_link_cb *seen, void *data);
void cib_link_free(struct cib_link *link);	// after its task has ended
void cib_link_start(struct cib_link *link);	// also: connect at once. Before, there is no cluster to connect to
bool cib_link_connected(const struct cib_link *link);
const char *cib_link_reason(const struct cib_link *link);	// why it is not connected

// The latest, with a reference for the caller; NULL with ERROR_UNREACHABLE if there never was one.
struct snapshot *cib_link_snapshot(struct cib_link *link, struct error *err) MUST_CHECK;
// Asks Pacemaker now: after one's own change.
struct snapshot *cib_link_read(struct cib_link *link, struct error *err) MUST_CHECK;	// waits
void snapshot_release(struct snapshot *snapshot);
static inline void cleanup_snapshot_p(struct snapshot **snapshot)
{
	snapshot_release(*snapshot);
}
#define cleanup_snapshot __attribute__((cleanup(cleanup_snapshot_p)))

// A connection that stays open while it is borrowed.
struct cib *cib_link_borrow(struct cib_link *link, struct error *err) MUST_CHECK;
// An `unreachable` RESULT makes the link open the connection anew.
void cib_link_return(struct cib_link *link, int result, const struct error *err);
// One verb of cib.h; CALL uses `cib`.
#define cib_link_do(link, err, call) __extension__({ \
	struct cib *cib = cib_link_borrow(link, err); \
	int result_ = cib ? (call) : -1; \
	if (cib) \
		cib_link_return(link, result_, err); \
	result_; \
})

#endif
