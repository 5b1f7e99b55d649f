/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/loopback.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Digits alone. */
static bool port_read(const char *text, in_port_t *port)
{
    unsigned long n = strtoul(text, NULL, 10);

    *port = htons((uint16_t)n);
    return strspn(text, "0123456789") == strlen(text) && n >= 1 && n <= UINT16_MAX;
}

static bool read_v4(const char *address, const char *port, struct sockaddr_in *out)
{
    out->sin_family = AF_INET;
    return inet_pton(AF_INET, address, &out->sin_addr) == 1 &&
           ntohl(out->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET && port_read(port, &out->sin_port);
}

static bool read_v6(const char *address, const char *port, struct sockaddr_in6 *out)
{
    out->sin6_family = AF_INET6;
    return inet_pton(AF_INET6, address, &out->sin6_addr) == 1 &&
           IN6_IS_ADDR_LOOPBACK(&out->sin6_addr) && port_read(port, &out->sin6_port);
}

bool loopback_read(const char *text, struct sockaddr_storage *out)
{
    const char *colon = strrchr(text, ':');
    size_t n = colon ? (size_t)(colon - text) : 0;
    bool bracketed = n > 2 && text[0] == '[' && text[n - 1] == ']';
    char address[INET6_ADDRSTRLEN];

    *out = (struct sockaddr_storage){0};
    if (n == 0 || n >= sizeof address)
        return false;
    memcpy(address, text + bracketed, n - 2 * bracketed);
    address[n - 2 * bracketed] = '\0';
    return bracketed ? read_v6(address, colon + 1, (struct sockaddr_in6 *)(void *)out)
                     : read_v4(address, colon + 1, (struct sockaddr_in *)(void *)out);
}

void loopback_text(char out[LOOPBACK_TEXT], const struct sockaddr_storage *address)
{
    const struct sockaddr_in *v4 = (const void *)address;
    const struct sockaddr_in6 *v6 = (const void *)address;
    bool is_v6 = address->ss_family == AF_INET6;
    char text[INET6_ADDRSTRLEN] = "";

    inet_ntop(address->ss_family, is_v6 ? (const void *)&v6->sin6_addr : &v4->sin_addr, text,
              sizeof text);
    snprintf(out, LOOPBACK_TEXT, is_v6 ? "[%s]:%d" : "%s:%d", text,
             ntohs(is_v6 ? v6->sin6_port : v4->sin_port));
}
