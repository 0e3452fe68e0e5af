#define _GNU_SOURCE
#include "clinux.h"
#include <errno.h>
#include <stdio.h>
#include <time.h>

int cl_local_time(int64_t sec, long *offset, char *zone, size_t size) {
    time_t time = sec;
    struct tm tm;
    if (!localtime_r(&time, &tm)) return -errno;
    *offset = tm.tm_gmtoff;
    return snprintf(zone, size, "%s", tm.tm_zone);
}
