/* SPDX-License-Identifier: Apache-2.0 */
/* doctor_mail.c - does the mail server take a connection, and greet?  Nothing is sent. */
#include <curl/curl.h>

#include "adapters/terminal/doctor.h"

enum { PATIENCE = 5 }; /* seconds */

static long ssl_of(const char *tls)
{
    if (tls && strcmp(tls, "none") == 0)
        return CURLUSESSL_NONE;
    return tls && strcmp(tls, "opportunistic") == 0 ? CURLUSESSL_TRY : CURLUSESSL_ALL;
}

static void greet(struct doctor *d, CURL *e, const char *url, const char *tls)
{
    char error[CURL_ERROR_SIZE] = "";

    curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    curl_easy_setopt(e, CURLOPT_PROXY, "");
    curl_easy_setopt(e, CURLOPT_URL, url);
    curl_easy_setopt(e, CURLOPT_USE_SSL, ssl_of(tls));
    curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, "NOOP");
    curl_easy_setopt(e, CURLOPT_NOBODY, 1L);
    curl_easy_setopt(e, CURLOPT_TIMEOUT, (long)PATIENCE);
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, error);
    CURLcode rc = curl_easy_perform(e);
    if (rc == CURLE_OK)
        doctor_find(d, HEALTH_OK, "", "%s greets", url);
    else
        doctor_find(d, HEALTH_FAIL,
                    "look at [alert] smtp and tls, the server, and what lies between", "%s: %s",
                    url, error[0] ? error : curl_easy_strerror(rc));
}

void doctor_mail(struct doctor *d)
{
    char *url = doctor_stated(d, "[alert] smtp"), *tls = doctor_stated(d, "[alert] tls");
    CURL *e = url ? curl_easy_init() : NULL;

    if (e)
        greet(d, e, url, tls);
    else
        doctor_find(d, HEALTH_OK, "", "no alerts by e-mail are set up");
    curl_easy_cleanup(e);
    mem_free(url);
    mem_free(tls);
}
