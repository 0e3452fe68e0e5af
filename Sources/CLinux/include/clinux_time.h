#ifndef CLINUX_TIME_H
#define CLINUX_TIME_H

#include <stddef.h>
#include <stdint.h>

/// The local time zone at a moment since 1970: seconds east of Greenwich, and its abbreviation (`CEST`).
int cl_local_time(int64_t sec, long *offset, char *zone, size_t size);

#endif
