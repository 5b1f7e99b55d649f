/* SPDX-License-Identifier: Apache-2.0 */
/* sandbox.h - processes give up what they do not need
 *
 * A process enters its profile once, when its settings are read and before it starts a thread; it
 * never leaves it, and all its threads and children are in it.  From then on:
 *
 * - System calls: those of the common list, and of its profile.  Any other is answered with EPERM,
 *   so that an odd way through a library fails and the process goes on.  The calls that nobody
 * makes but who has taken the process over end it by SIGSYS, which the supervisor logs and of which
 * the kernel's log names the call: execve, ptrace and looking into other processes, mounts,
 *   namespaces, bpf, kernel modules, keyrings.  There is no new process, no memory that can be both
 *   written and executed, no signal to others (seccomp(2)).
 * - Files: a profile's parts of the instance and what it is given, nothing else of the machine
 *   (landlock(7); a kernel without it leaves this to the owners and modes of files).
 * - Network: sockets that are files of this machine; of the internet none unless the profile or the
 *   instance's endpoint needs it.  Where Landlock knows ports (Linux 6.7), TCP goes to and listens
 *   at the ports of the settings and no other, but for a profile that speaks to whom it finds.
 * - No privilege by a program (no_new_privs), no core file, and nobody else of the same user looks
 *   into the process's memory, which holds keys (PR_SET_DUMPABLE).
 *
 *   profile   instance                     network                          besides
 *   broker    log, parts, run              its own port, where it has one
 *   signer    what it signed               none
 *   worker    run                          the broker's port, likewise
 *   sender    keep                         any: names, mail                 /etc, certificates
 *   metrics                                its own port, the broker's
 *   lists     keep, run                    the broker's port                starts one program
 *
 * Keys are read, and a token with one is opened, before: inside, what [token] state names can be
 * read, for modules that look at their files at each signature.
 *
 * A program that `lists` starts is in the same bounds, and enters its own: the parser's.
 *
 * A sanitizer's build may read more files, and its checker of leaks traces the process at its end.
 */
#pragma once

#include <stdint.h>

#include "lib/settings.h"

enum sandbox_profile {
    SANDBOX_BROKER,
    SANDBOX_SIGNER,
    SANDBOX_WORKER,
    SANDBOX_SENDER,
    SANDBOX_METRICS,
    SANDBOX_LISTS,
};

struct sandbox {
    enum sandbox_profile profile;
    const struct settings *settings;
    const char *listen;  /* endpoint of its own; NULL = none */
    uint16_t port;       /* of TCP that it listens at otherwise; 0 = none */
    const char *program; /* that it starts; NULL = none */
};

/* 0, with a line in the log that says what is in force (sandbox.entered); or a negative err with a
 * sentence in `why`: then go no further. */
int sandbox_enter(const struct sandbox *s, struct buf *why);

/* What a parser of strangers' files may do once its file is open: read it, compute, say.  There is
 * no other file, no socket, no new process, no program and no privilege to be had; processor time
 * (20 s) and memory (512 MiB) are bounded, and no file grows.  What asks for more dies of it:
 * SIGSYS for a call that is not in the list, SIGXCPU for time, and memory that is not there is the
 * caller's to handle (mem.h: SIGABRT).
 *
 * `file` is the one descriptor that can be read, standard output and error those that can be
 * written.  0, or ERR_IO with errno set: then go no further.  A process that runs a sanitizer has
 * no bound on memory, since its shadow is larger than any. */
int sandbox_parser(int file);
