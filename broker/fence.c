/* SPDX-License-Identifier: Apache-2.0 */
/* A handler of signals is given nothing but the signal, so where it goes to lies in the thread's
 * own storage, and whom it replaced in the file's. */
#include "broker/fence.h"

#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <unistd.h>

static _Thread_local sigjmp_buf *way_out;
static struct sigaction before_segv, before_bus;

void fence_break(void)
{
    if (way_out)
        siglongjmp(*way_out, 1);
}

/* Where there is no fence the fault comes again, to whoever was there before. */
static void on_fault(int number)
{
    static const char text[] = "fence: a fault of memory, and not in the log: an error of this "
                               "program; report it\n";

    fence_break();
    ssize_t told = write(STDERR_FILENO, text, sizeof text - 1);
    (void)told; /* nothing else could be done */
    sigaction(number, number == SIGBUS ? &before_bus : &before_segv, NULL);
}

void fence_install(void)
{
    struct sigaction action = {.sa_handler = on_fault, .sa_flags = SA_NODEFER};

    sigemptyset(&action.sa_mask);
    sigaction(SIGSEGV, &action, &before_segv);
    sigaction(SIGBUS, &action, &before_bus);
}

int fence_run(fence_call *call, void *arg, int fault)
{
    sigjmp_buf here, *const outer = way_out;

    if (sigsetjmp(here, 0) != 0) {
        way_out = outer;
        return fault;
    }
    way_out = &here;
    int rc = call(arg);
    way_out = outer;
    return rc;
}
