/* SPDX-License-Identifier: Apache-2.0 */
/* Both ends: sockets without keys, and so without the question who may connect. */
#include <zmq.h>

#include "tests/bench/without.h"

#ifndef ZMQ_ZAP_ENFORCE_DOMAIN
#define ZMQ_ZAP_ENFORCE_DOMAIN 93
#endif

WRAPPED(int, zmq_setsockopt, void *socket, int option, const void *value, size_t size)
{
    static const int secured[] = {ZMQ_CURVE_SERVER,    ZMQ_CURVE_SECRETKEY, ZMQ_CURVE_PUBLICKEY,
                                  ZMQ_CURVE_SERVERKEY, ZMQ_ZAP_DOMAIN,      ZMQ_ZAP_ENFORCE_DOMAIN};

    for (size_t i = 0; i < sizeof secured / sizeof *secured; i++)
        if (option == secured[i] && without("curve"))
            return 0;
    return __real_zmq_setsockopt(socket, option, value, size);
}
