/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* AgentManager1 on /org/bluez: agents register and are never asked, nothing here pairs by SMP. */

#include "vb-world.h"

VbAgents *vb_agents_new (VbWorld *world);
void vb_agents_free (VbAgents *self);
void vb_agents_client_gone (VbAgents *self, const char *client);
