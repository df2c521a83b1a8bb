/* Dates of HTTP, without the locale that strftime(3) obeys. */

#include "http/server/date-private.h"

#include <string.h>

static char *
two_digits(char *to, int n)
{
    to[0] = (char)('0' + n / 10 % 10);
    to[1] = (char)('0' + n % 10);
    return to + 2;
}

static char *
three_letters(char *to, const char *names, int i)
{
    memcpy(to, names + (size_t)i * 3, 3);
    return to + 3;
}

void
vetch__date_format(time_t when, char to[VETCH__DATE_LEN + 1])
{
    struct tm tm;
    int year;

    /* A year without four digits has no HTTP date. */
    if (gmtime_r(&when, &tm) == NULL || tm.tm_year > 9999 - 1900 ||
        tm.tm_year < -1900) {
        when = 0;
        gmtime_r(&when, &tm);
    }
    year = tm.tm_year + 1900;
    to = three_letters(to, "SunMonTueWedThuFriSat", tm.tm_wday);
    *to++ = ',';
    *to++ = ' ';
    to = two_digits(to, tm.tm_mday);
    *to++ = ' ';
    to = three_letters(to, "JanFebMarAprMayJunJulAugSepOctNovDec", tm.tm_mon);
    *to++ = ' ';
    to = two_digits(to, year / 100);
    to = two_digits(to, year % 100);
    *to++ = ' ';
    to = two_digits(to, tm.tm_hour);
    *to++ = ':';
    to = two_digits(to, tm.tm_min);
    *to++ = ':';
    to = two_digits(to, tm.tm_sec);
    memcpy(to, " GMT", 5);
}

void
vetch__date_refresh(struct vetch__date *d, uint64_t now)
{
    const uint64_t second = UINT64_C(1000000000);
    struct timespec wall;

    clock_gettime(CLOCK_REALTIME, &wall);
    memcpy(d->line, "Date: ", 6);
    vetch__date_format(wall.tv_sec, d->line + 6);
    memcpy(d->line + 6 + VETCH__DATE_LEN, "\r\n", 3);
    d->until = now + second - (uint64_t)wall.tv_nsec;
}
