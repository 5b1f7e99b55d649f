/* SPDX-License-Identifier: Apache-2.0 */
/* fence.h - a fault while a damaged log is read is an error, not the end of the process
 *
 * The log is mapped, so a page that was cut off or that the disk cannot give is SIGBUS; and LMDB
 * trusts its pages: a damaged one leads it to nowhere (SIGSEGV) or into an assertion.  Within a
 * fence each of these ends the call at once.  What the call held is lost and the state of LMDB in
 * doubt: who read tells the error and ends soon, who wrote ends without an answer.  Outside of
 * fences a fault is what it always was.
 */
#pragma once

/* Once, at the start of main.  Without it fences have no effect. */
void fence_install(void);

typedef int fence_call(void *arg);
/* What `call` returns, or `fault` where it ended by one.  Fences of one thread may be nested. */
int fence_run(fence_call *call, void *arg, int fault);
/* Ends the innermost fence's call as a fault does; returns where there is no fence. */
void fence_break(void);
