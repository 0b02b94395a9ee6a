// SPDX-License-Identifier: GPL-3.0-or-later
// What the agent says of itself: OCF 1.1 metadata. The time-outs are those that clusterd/cib writes into the CIB.
#include "clusterd/agent/agent.h"

#include <stdio.h>

static const char metadata[] = "<?xml version=\"1.0\"?>\n"
			       "<resource-agent name=\"group\" version=\"1.0\">\n"
			       "<version>1.1</version>\n"
			       "<longdesc lang=\"en\">\n"
			       "A failover group of Holdfast: virtual machines that are placed, replicated, "
			       "moved and failed over together. The resource's name\n"
			       "is the group's. What the group is made of is in the cluster's own "
			       "configuration and is made with the holdfast command: do not\n"
			       "configure such a resource by hand.\n"
			       "</longdesc>\n"
			       "<shortdesc lang=\"en\">A failover group of virtual machines</shortdesc>\n"
			       "<parameters>\n"
			       "<parameter name=\"socket\" unique=\"0\" required=\"0\">\n"
			       "<longdesc lang=\"en\">Where hypervisord listens. For tests.</longdesc>\n"
			       "<shortdesc lang=\"en\">hypervisord's socket</shortdesc>\n"
			       "<content type=\"string\" default=\"" RPC_HYPERVISORD_SOCKET "\"/>\n"
			       "</parameter>\n"
			       "<parameter name=\"run_directory\" unique=\"0\" required=\"0\">\n"
			       "<longdesc lang=\"en\">Where hypervisord keeps what is known of running "
			       "guests. For tests.</longdesc>\n"
			       "<shortdesc lang=\"en\">Run directory</shortdesc>\n"
			       "<content type=\"string\" default=\"/run/holdfast\"/>\n"
			       "</parameter>\n"
			       "</parameters>\n"
			       "<actions>\n"
			       "<action name=\"start\" timeout=\"180s\"/>\n"
			       "<action name=\"stop\" timeout=\"120s\"/>\n"
			       "<action name=\"monitor\" timeout=\"30s\" interval=\"10s\" depth=\"0\"/>\n"
			       "<action name=\"migrate_to\" timeout=\"120s\"/>\n"
			       "<action name=\"migrate_from\" timeout=\"60s\"/>\n"
			       "<action name=\"validate-all\" timeout=\"20s\"/>\n"
			       "<action name=\"meta-data\" timeout=\"5s\"/>\n"
			       "</actions>\n"
			       "</resource-agent>\n";

void agent_print_metadata(void)
{
	fputs(metadata, stdout);
}
