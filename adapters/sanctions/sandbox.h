/* SPDX-License-Identifier: Apache-2.0 */
/* sandbox.h - what a parser of strangers' files may do once its file is open: read it, compute, say
 *
 * It is entered once and never left.  Then there is no other file, no socket, no new process, no
 * program and no privilege to be had; processor time (20 s) and memory (512 MiB) are bounded, and
 * no file grows.  What asks for more dies of it: SIGSYS for a call that is not in the list, SIGXCPU
 * for time, and memory that is not there is the caller's to handle (mem.h: SIGABRT).
 */
#pragma once

/* `file` is the one descriptor that can be read, standard output and error those that can be
 * written.  0, or ERR_IO with errno set: then go no further.  A process that runs a sanitizer has
 * no bound on memory, since its shadow is larger than any. */
int sandbox_enter(int file);
