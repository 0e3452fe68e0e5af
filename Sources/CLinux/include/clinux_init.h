#pragma once

/// A sealed file in memory with the first process of `--init`: an ELF program. -errno.
int cl_init_program(void);
/// execveat(2) of the file itself; comes back only with -errno.
int cl_execveat(int fd, char *const argv[], char *const envp[]);
