/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "ctl-client.h"

/*
 * polkit's agent for terminals, which asks for a password where no desktop's agent does. Started
 * only on a terminal, not for root, and only when polkit can be reached; NULL otherwise, which is
 * no error.
 */
typedef struct _CtlAgent CtlAgent;

CtlAgent *ctl_agent_start (CtlClient *client);

/* Ends the agent and waits for it, so that it leaves the terminal as it was. NULL is allowed. */
void ctl_agent_stop (CtlAgent *self);
