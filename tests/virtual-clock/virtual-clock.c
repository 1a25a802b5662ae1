/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A clock that a test moves: preload this library (LD_PRELOAD) and let VIRTUAL_CLOCK name a file.
 *
 * The file holds three signed 64-bit numbers, in microseconds: what is added to the wall clock, to the
 * monotonic clock and to the clock that also counts suspend. Time goes on as ever, and besides as the
 * file says, from the moment it is written. A program that sleeps in poll() learns of it when something
 * wakes it, for instance a call over the bus; its timers are then judged by the new time. Timers of the
 * kernel that are set to a time of the wall clock (timerfd) are set again.
 *
 * libfaketime, which is made for the same, leaves timerfd alone, gives the clock that counts suspend
 * no offset of its own, and reads its file as text at each look at the clock. */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define USEC_PER_SEC 1000000
#define TIMERS_MAX 8

typedef struct
{
  _Atomic int64_t wall;
  _Atomic int64_t monotonic;
  _Atomic int64_t boot;
} Offsets;

typedef struct
{
  int fd;
  int flags;
  struct itimerspec at; /* in virtual time; all zero: not armed */
} Timer;

static const Offsets nothing;
static const Offsets *offsets = &nothing;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static Timer timers[TIMERS_MAX];
static unsigned n_timers;
static _Atomic int64_t applied; /* offset of the wall clock that the timers are set by */

__attribute__ ((constructor)) static void
open_clock (void)
{
  const char *path = getenv ("VIRTUAL_CLOCK");
  int fd = path == NULL ? -1 : open (path, O_RDONLY | O_CLOEXEC);
  void *map;

  if (fd < 0)
    return;
  map = mmap (NULL, sizeof (Offsets), PROT_READ, MAP_SHARED, fd, 0);
  close (fd);
  if (map != MAP_FAILED)
    offsets = map;
  applied = offsets->wall;
}

static void
add (struct timespec *time, int64_t usec)
{
  int64_t nsec = time->tv_nsec + usec % USEC_PER_SEC * 1000;
  int64_t carry = nsec < 0 ? -1 : nsec / 1000000000;

  time->tv_sec += usec / USEC_PER_SEC + carry;
  time->tv_nsec = nsec - carry * 1000000000;
}

static int
arm (int fd, int flags, struct itimerspec at, struct itimerspec *old)
{
  if (at.it_value.tv_sec != 0 || at.it_value.tv_nsec != 0)
    {
      add (&at.it_value, -applied);
      /* A time of zero would disarm it. */
      if (at.it_value.tv_sec < 1)
        at.it_value.tv_sec = 1;
    }
  return (int) syscall (SYS_timerfd_settime, fd, flags, &at, old);
}

static void
follow_wall_clock (void)
{
  if (offsets->wall == applied)
    return;
  pthread_mutex_lock (&mutex);
  if (offsets->wall != applied)
    {
      applied = offsets->wall;
      for (unsigned i = 0; i < n_timers; i++)
        arm (timers[i].fd, timers[i].flags, timers[i].at, NULL);
    }
  pthread_mutex_unlock (&mutex);
}

/* --- what programs call instead of the C library ------------------------------------------------------ */

int
clock_gettime (clockid_t id, struct timespec *time)
{
  int r = (int) syscall (SYS_clock_gettime, id, time);

  if (r < 0)
    return r;
  follow_wall_clock ();
  if (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)
    add (time, offsets->wall);
  else if (id == CLOCK_MONOTONIC || id == CLOCK_MONOTONIC_COARSE || id == CLOCK_MONOTONIC_RAW)
    add (time, offsets->monotonic);
  else if (id == CLOCK_BOOTTIME)
    add (time, offsets->boot);
  return 0;
}

int
gettimeofday (struct timeval *restrict time, void *restrict zone)
{
  struct timespec now;

  (void) zone;
  clock_gettime (CLOCK_REALTIME, &now);
  time->tv_sec = now.tv_sec;
  time->tv_usec = now.tv_nsec / 1000;
  return 0;
}

time_t
time (time_t *result)
{
  struct timespec now;

  clock_gettime (CLOCK_REALTIME, &now);
  if (result != NULL)
    *result = now.tv_sec;
  return now.tv_sec;
}

/* A program may have no timer but one of the kernel, and so no reason to look at the clock. */
int
ppoll (struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask)
{
  struct timespec left = timeout != NULL ? *timeout : (struct timespec){ 0 };

  follow_wall_clock ();
  return (int) syscall (SYS_ppoll, fds, n, timeout != NULL ? &left : NULL, mask, _NSIG / 8);
}

int
poll (struct pollfd *fds, nfds_t n, int timeout_ms)
{
  struct timespec timeout = { timeout_ms / 1000, timeout_ms % 1000 * 1000000L };

  return ppoll (fds, n, timeout_ms >= 0 ? &timeout : NULL, NULL);
}

/* A timer that is set to a moment is remembered; one that runs for a while is left to itself. The caller says
 * TFD_TIMER_ABSTIME only for the wall clock. */
int
timerfd_settime (int fd, int flags, const struct itimerspec *at, struct itimerspec *old)
{
  unsigned i = 0;
  int r;

  if ((flags & TFD_TIMER_ABSTIME) == 0)
    return (int) syscall (SYS_timerfd_settime, fd, flags, at, old);
  follow_wall_clock ();
  pthread_mutex_lock (&mutex);
  while (i < n_timers && timers[i].fd != fd)
    i++;
  if (i == TIMERS_MAX)
    abort ();
  if (i == n_timers)
    n_timers++;
  timers[i] = (Timer){ fd, flags, *at };
  r = arm (fd, flags, *at, old);
  pthread_mutex_unlock (&mutex);
  return r;
}
