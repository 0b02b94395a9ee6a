// SPDX-License-Identifier: GPL-3.0-or-later
// What fence_holdfast_lab says of itself to the cluster.
#ifndef FENCE_LAB_METADATA_H
#define FENCE_LAB_METADATA_H

extern const char fence_lab_metadata[];

#endif
