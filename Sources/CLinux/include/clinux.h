/// The calls and constants that Swift's Glibc lacks. One line each, no decisions: a shim answers a
/// value or -errno, read at once, because a Swift deinit may run another call before errno is read.
#ifndef CLINUX_H
#define CLINUX_H

#include <stdint.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/stat.h>
#include <fcntl.h>

#include "clinux_bpf.h"
#include "clinux_files.h"
#include "clinux_mount.h"
#include "clinux_process.h"
#include "clinux_socket.h"
#include "clinux_init.h"
#include "clinux_seccomp.h"
#include "clinux_sha256.h"
#include "clinux_time.h"

#endif
