/* The stop flag. A lock-free atomic may be written by a handler and read by any thread. */
#include "base/signal.h"

#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>

_Static_assert(ATOMIC_INT_LOCK_FREE == 2, "a signal handler needs a lock-free flag");

static atomic_int pending;

static void remember(int number)
{
    int none = 0;
    if (!atomic_compare_exchange_strong(&pending, &none, number)) {
        signal(number, SIG_DFL);
        raise(number); /* delivered as soon as this handler returns */
    }
}

void pc_signal_install(void)
{
    struct sigaction action = {.sa_handler = remember}; /* no SA_RESTART: a blocked read wakes up and sees the flag */
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

int pc_signal_pending(void)
{
    return atomic_load_explicit(&pending, memory_order_relaxed);
}

void pc_signal_reset(void)
{
    atomic_store(&pending, 0);
}
