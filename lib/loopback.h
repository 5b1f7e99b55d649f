/* SPDX-License-Identifier: Apache-2.0 */
/* loopback.h - addresses that no other machine reaches; pure */
#pragma once

#include <stdbool.h>
#include <sys/socket.h>

/* 127.0.0.0/8 as 127.0.0.1:PORT, ::1 as [::1]:PORT, a port from 1 to 65535; false for all else. */
bool loopback_read(const char *text, struct sockaddr_storage *out);

enum { LOOPBACK_TEXT = 56 };
/* As loopback_read takes it. */
void loopback_text(char out[LOOPBACK_TEXT], const struct sockaddr_storage *address);
