/* SPDX-License-Identifier: Apache-2.0 */
/* log.h - how the program fares: one line a happening, on standard error
 *
 * "id: text key=value", with stream, type, id and position, and never a payload.  The id names the
 * happening ("broker.full") and stays the same; chancery-messages(7) says what each means.  The
 * journal is the record of what happened; this is not.  Lines carry a "<N>" priority when
 * $JOURNAL_STREAM is set, else the time in UTC.
 */
#pragma once

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

void log_set_level(enum log_level level); /* LOG_INFO at start; $CHANCERY_DEBUG shows all */
void log_line(enum log_level level, const char *id, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)
#define log_warn(...) log_line(LOG_WARN, __VA_ARGS__)
#define log_info(...) log_line(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)
