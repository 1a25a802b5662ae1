/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The handshake, with a chip, a timer and an owner that do anything in any order, against a
 * table of what each answer means in each step. */
#include "core2-auth.h"

#include "fuzz-target.h"

typedef enum
{
  STEP_PREAMBLE,
  STEP_KEY,
  STEP_STORING,
  STEP_CHALLENGE,
  STEP_VERDICT,
  STEP_OVER,
} Step;

typedef struct
{
  Step step;
  guint8 command;
  guint8 status;
  Core2AuthAction action;
  Step next;
  Core2AuthError error;
} Rule;

/* What is not here fails as nonsense, unless it belongs to an earlier step. */
static const Rule rules[] = {
  { STEP_PREAMBLE, 1, 1, CORE2_AUTH_ACTION_WRITE, STEP_KEY, CORE2_AUTH_ERROR_NONE },
  { STEP_PREAMBLE, 1, 4, CORE2_AUTH_ACTION_WRITE, STEP_KEY, CORE2_AUTH_ERROR_NONE },
  { STEP_PREAMBLE, 1, 6, CORE2_AUTH_ACTION_WRITE, STEP_KEY, CORE2_AUTH_ERROR_NONE },
  { STEP_KEY, 1, 1, CORE2_AUTH_ACTION_STORE_PENDING, STEP_STORING, CORE2_AUTH_ERROR_NONE },
  { STEP_KEY, 1, 6, CORE2_AUTH_ACTION_STORE_PENDING, STEP_STORING, CORE2_AUTH_ERROR_NONE },
  { STEP_KEY, 1, 4, CORE2_AUTH_ACTION_FAILED, STEP_OVER, CORE2_AUTH_ERROR_NOT_SHAKEN },
  { STEP_KEY, 1, 8, CORE2_AUTH_ACTION_FAILED, STEP_OVER, CORE2_AUTH_ERROR_KEY_REJECTED },
  { STEP_CHALLENGE, 2, 1, CORE2_AUTH_ACTION_WRITE, STEP_VERDICT, CORE2_AUTH_ERROR_NONE },
  { STEP_CHALLENGE, 2, 4, CORE2_AUTH_ACTION_FAILED, STEP_OVER, CORE2_AUTH_ERROR_KEY_REJECTED },
  { STEP_CHALLENGE, 2, 8, CORE2_AUTH_ACTION_FAILED, STEP_OVER, CORE2_AUTH_ERROR_KEY_REJECTED },
  { STEP_VERDICT, 3, 1, CORE2_AUTH_ACTION_SUCCEEDED, STEP_OVER, CORE2_AUTH_ERROR_NONE },
  { STEP_VERDICT, 3, 4, CORE2_AUTH_ACTION_FAILED, STEP_OVER, CORE2_AUTH_ERROR_KEY_REJECTED },
  { STEP_VERDICT, 3, 8, CORE2_AUTH_ACTION_FAILED, STEP_OVER, CORE2_AUTH_ERROR_KEY_REJECTED },
};

typedef struct
{
  Core2Auth auth;
  Step step;
  gboolean pairing;
  gboolean waived; /* the preamble had no answer: one late refusal may be overlooked */
  gint64 now_us;
} Model;

static gboolean
belongs_to_earlier_step (const Model *model, guint8 command)
{
  guint8 first = model->pairing ? 1 : 2;

  switch (model->step)
    {
    case STEP_STORING:
      return command == 1;
    case STEP_CHALLENGE:
      return command == 1 && command >= first;
    case STEP_VERDICT:
      return (command == 1 || command == 2) && command >= first;
    case STEP_PREAMBLE:
    case STEP_KEY:
    case STEP_OVER:
    default:
      return FALSE;
    }
}

static const Rule *
find_rule (Step step, guint8 command, guint8 status)
{
  for (guint i = 0; i < G_N_ELEMENTS (rules); i++)
    if (rules[i].step == step && rules[i].command == command && rules[i].status == status)
      return &rules[i];
  return NULL;
}

static void
expect_failure (Model *model, Core2AuthAction action, Core2AuthError error)
{
  g_assert_cmpint (action, ==, CORE2_AUTH_ACTION_FAILED);
  g_assert_cmpint (model->auth.error, ==, error);
  model->step = STEP_OVER;
}

static void
feed (Model *model, FuzzReader *reader)
{
  guint8 wanted = fuzz_reader_get_byte (reader) % 24;
  gsize size = MIN (wanted, reader->size);
  const guint8 *data = size > 0 ? reader->data : NULL;
  Core2AuthAction action = core2_auth_feed (&model->auth, data, size, model->now_us);
  const Rule *rule;
  guint8 command;

  reader->data = size > 0 ? reader->data + size : reader->data;
  reader->size -= size;
  if (model->step == STEP_OVER || size == 0 || data[0] != 0x10)
    {
      g_assert_cmpint (action, ==, CORE2_AUTH_ACTION_NONE);
      return;
    }
  command = size < 3 ? 0 : data[1] % 16;
  if (size >= 3 && belongs_to_earlier_step (model, command))
    {
      g_assert_cmpint (action, ==, CORE2_AUTH_ACTION_NONE);
      return;
    }
  rule = size < 3 ? NULL : find_rule (model->step, command, data[2]);
  if (rule == NULL || (rule->next == STEP_VERDICT && size != 19))
    {
      expect_failure (model, action, CORE2_AUTH_ERROR_PROTOCOL);
      return;
    }
  if (action == CORE2_AUTH_ACTION_NONE)
    {
      g_assert_true (model->waived && rule->error == CORE2_AUTH_ERROR_NOT_SHAKEN);
      model->waived = FALSE;
      return;
    }
  g_assert_cmpint (action, ==, rule->action);
  g_assert_cmpint (model->auth.error, ==, rule->error);
  model->step = rule->next;
}

static void
expire (Model *model)
{
  gint64 deadline_us = core2_auth_get_deadline (&model->auth);
  Core2AuthState state = model->auth.state;
  Core2AuthAction action = core2_auth_expire (&model->auth, model->now_us);

  if (model->now_us < deadline_us)
    g_assert_cmpint (action, ==, CORE2_AUTH_ACTION_NONE);
  else if (model->step == STEP_PREAMBLE)
    {
      g_assert_cmpint (action, ==, CORE2_AUTH_ACTION_WRITE);
      model->waived = TRUE;
      model->step = STEP_KEY;
    }
  else
    expect_failure (model, action,
                    state == CORE2_AUTH_SHAKE_NOW ? CORE2_AUTH_ERROR_NOT_SHAKEN
                                                  : CORE2_AUTH_ERROR_TIMEOUT);
}

static void
go_on (Model *model)
{
  Core2AuthAction action = core2_auth_continue (&model->auth, model->now_us);

  g_assert_cmpint (action, ==,
                   model->step == STEP_STORING ? CORE2_AUTH_ACTION_WRITE : CORE2_AUTH_ACTION_NONE);
  if (model->step == STEP_STORING)
    model->step = STEP_CHALLENGE;
}

static void
start (Model *model, FuzzReader *reader)
{
  guint8 how = fuzz_reader_get_byte (reader);
  guint8 key[CORE2_KEY_SIZE];

  for (guint i = 0; i < sizeof key; i++)
    key[i] = (guint8) (how + i);
  model->pairing = how % 3 > 0;
  model->waived = FALSE;
  if (how % 3 == 0)
    {
      core2_auth_start_authenticate (&model->auth, key, model->now_us);
      model->step = STEP_CHALLENGE;
    }
  else
    {
      core2_auth_start_pair (&model->auth, key, how % 3 == 2, 0, model->now_us);
      model->step = how % 3 == 2 ? STEP_PREAMBLE : STEP_KEY;
    }
  g_assert_cmpmem (core2_auth_get_key (&model->auth), CORE2_KEY_SIZE, key, sizeof key);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  FuzzReader reader = { data, size };
  Model model = { .step = STEP_OVER };

  core2_auth_init (&model.auth);
  while (reader.size > 0)
    {
      switch (fuzz_reader_get_byte (&reader) % 8)
        {
        case 0:
          start (&model, &reader);
          break;
        case 1:
          g_assert_cmpint (core2_auth_frame_written (&model.auth, model.now_us), ==,
                           CORE2_AUTH_ACTION_NONE);
          break;
        case 2:
          go_on (&model);
          break;
        case 3:
          model.now_us += fuzz_reader_get_byte (&reader) * (G_TIME_SPAN_SECOND / 4);
          expire (&model);
          break;
        case 4:
          g_assert_cmpint (core2_auth_cancel (&model.auth), ==,
                           model.step == STEP_OVER ? CORE2_AUTH_ACTION_NONE
                                                   : CORE2_AUTH_ACTION_FAILED);
          model.step = STEP_OVER;
          break;
        default:
          feed (&model, &reader);
          break;
        }
      g_assert_cmpint (core2_auth_is_active (&model.auth), ==, model.step != STEP_OVER);
      if (model.step == STEP_OVER)
        g_assert_cmpint (core2_auth_get_deadline (&model.auth), ==, CORE2_AUTH_NEVER);
    }
  core2_auth_clear (&model.auth);
  return 0;
}
