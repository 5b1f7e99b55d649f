/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static enum log_level log_level = LOG_INFO;

void log_set_level(enum log_level level)
{
    log_level = level;
}

void log_line(enum log_level level, const char *id, const char *format, ...)
{
    static const int priorities[] = {3, 4, 6, 7}; /* of syslog */
    static const char *const names[] = {"error", "warn", "info", "debug"};
    char line[2048];
    size_t used;
    va_list args;

    if (level > (getenv("CHANCERY_DEBUG") ? LOG_DEBUG : log_level))
        return;
    if (getenv("JOURNAL_STREAM")) {
        used = (size_t)snprintf(line, sizeof line, "<%d>", priorities[level]);
    } else {
        struct timespec now;
        struct tm utc;
        clock_gettime(CLOCK_REALTIME, &now);
        gmtime_r(&now.tv_sec, &utc);
        used = strftime(line, sizeof line, "%Y-%m-%dT%H:%M:%S", &utc);
        used += (size_t)snprintf(line + used, sizeof line - used, ".%03ldZ %s ",
                                 now.tv_nsec / 1000000, names[level]);
    }
    used += (size_t)snprintf(line + used, sizeof line - used, "%s: ", id);
    va_start(args, format);
    int n = vsnprintf(line + used, sizeof line - used - 1, format, args);
    va_end(args);
    used += n < 0 ? 0 : (size_t)n;
    if (used > sizeof line - 2)
        used = sizeof line - 2;
    line[used++] = '\n';
    /* one write, so that lines of several processes do not mix; a failing standard error has no
     * remedy */
    if (write(STDERR_FILENO, line, used) < 0)
        return;
}
