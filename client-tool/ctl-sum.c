/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl-sum.h"

void
ctl_sum_add (CtlSum *self, const char *side, guint64 steps)
{
  if (g_strcmp0 (side, "left") == 0)
    self->left += steps;
  else if (g_strcmp0 (side, "right") == 0)
    self->right += steps;
  else
    self->other += steps;
}

guint64
ctl_sum_get (const CtlSum *self)
{
  return MAX (self->left, self->right) + self->other;
}

gboolean
ctl_sum_is_pair (const CtlSum *self)
{
  return self->left > 0 && self->right > 0;
}
