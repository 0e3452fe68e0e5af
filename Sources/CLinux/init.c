// The first process of a container with --init (tini's part in docker's): it starts the command, hands signals on to it,
// reaps whatever is left to it, and ends with the command's code. It is a program of its own, so that nothing of the
// runtime's file can be reached from the container; and so small that it travels with the runtime: the code of one section,
// with an ELF header before it, in a sealed file in memory. There is no libc in it: no data, no strings outside of the
// section, no functions that are not inlined, no initialisers that the compiler could turn into a call.
#define _GNU_SOURCE
#include "clinux_init.h"
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PART static inline __attribute__((always_inline))
extern const unsigned char __start_apus_init[], __stop_apus_init[];
extern const char init_entry[], init_path[], init_text[];
void init_main(long *stack);

__asm__(".pushsection apus_init,\"ax\",@progbits\n .balign 16\n"
        ".globl init_entry\n.hidden init_entry\ninit_entry:\n"
#if defined(__x86_64__)
        "xor %ebp, %ebp\n mov %rsp, %rdi\n and $-16, %rsp\n call init_main\n hlt\n"
#else
        "mov x0, sp\n bl init_main\n brk 1\n"
#endif
        ".globl init_path\n.hidden init_path\ninit_path: .asciz \"PATH=\"\n"
        ".globl init_text\n.hidden init_text\ninit_text: .asciz \"init: cannot execute \"\n"
        ".popsection\n");

#if defined(__x86_64__)
PART long call(long number, long a, long b, long c, long d) {
    long result = number;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = 0;
    __asm__ volatile("syscall" : "+a"(result) : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8) : "rcx", "r11", "memory");
    return result;
}
#else
PART long call(long number, long a, long b, long c, long d) {
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = 0;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
    return x0;
}
#endif

PART void put(const char *text) {
    long n = 0;
    while (text[n]) n++;
    call(SYS_write, 2, (long)text, n, 0);
}

PART void handle(int signal, long handler) {
    volatile long action[4];  // the kernel's struct sigaction: handler, flags, restorer or mask, mask
    action[0] = handler;
    action[1] = action[2] = action[3] = 0;
    call(SYS_rt_sigaction, signal, (long)action, 0, 8);
}

PART long execute(const char *path, char **argv, char **envp) {
    return call(SYS_execve, (long)path, (long)argv, (long)envp, 0);
}

/// As execvp(3): the directories of PATH, unless the name has a slash.
PART long search(char **argv, char **envp) {
    const char *name = argv[0], *path = 0;
    long length = 0, refused = 0;
    for (; name[length]; length++)
        if (name[length] == '/') path = name;
    if (path) return execute(name, argv, envp);
    for (; *envp; envp++) {
        long n = 0;
        while (init_path[n] && (*envp)[n] == init_path[n]) n++;
        if (!init_path[n]) {
            path = *envp + n;
            break;
        }
    }
    char file[4096];
    while (path && *path) {
        long n = 0;
        while (*path && *path != ':' && n < (long)sizeof file - 2) file[n++] = *path++;
        while (*path && *path != ':') path++;
        if (*path) path++;
        if (n + length + 2 > (long)sizeof file) continue;
        if (n) file[n++] = '/';
        for (long i = 0; i <= length; i++) file[n + i] = name[i];
        long result = execute(file, argv, envp);
        if (result == -EACCES) refused = result;
        else if (result != -ENOENT && result != -ENOTDIR) return result;
    }
    return refused ? refused : -ENOENT;
}

PART void run(char **argv, char **envp, unsigned long *mask) {
    int self = (int)call(SYS_getpid, 0, 0, 0, 0);
    call(SYS_setpgid, 0, 0, 0, 0);
    call(SYS_ioctl, 0, TIOCSPGRP, (long)&self, 0);  // where stdin is a terminal
    handle(SIGTTIN, (long)SIG_DFL);
    handle(SIGTTOU, (long)SIG_DFL);
    call(SYS_rt_sigprocmask, SIG_SETMASK, (long)mask, 0, 8);
    long result = search(argv, envp);
    char end[2];
    end[0] = '\n', end[1] = 0;
    put(init_text), put(argv[0]), put(end);
    call(SYS_exit_group, result == -ENOENT ? 127 : 126, 0, 0, 0);
}

/// argv: our name, `--`, the command.
__attribute__((section("apus_init"), used, noreturn, no_stack_protector, disable_sanitizer_instrumentation))
void init_main(long *stack) {
    char **argv = (char **)(stack + 1), **envp = argv + stack[0] + 1;
    unsigned long old = 0, own = ~0ul;
    // As ps shows it: a file in memory has a name of its own.
    const char *name = argv[0];
    for (const char *at = name; *at; at++)
        if (*at == '/') name = at + 1;
    call(SYS_prctl, 15 /* PR_SET_NAME */, (long)name, 0, 0);
    // A fault of our own is no signal to hand on.
    for (int i = 1; i < 32; i++)
        if (i == SIGFPE || i == SIGILL || i == SIGSEGV || i == SIGBUS || i == SIGABRT || i == SIGTRAP || i == SIGSYS)
            own &= ~(1ul << (i - 1));
    call(SYS_rt_sigprocmask, SIG_BLOCK, (long)&own, (long)&old, 8);
    handle(SIGTTIN, (long)SIG_IGN);
    handle(SIGTTOU, (long)SIG_IGN);
    long child = call(SYS_clone, SIGCHLD, 0, 0, 0);
    if (child == 0) run(argv + 2, envp, &old);
    long code = child < 0 ? 126 : -1;
    while (code < 0) {
        long signal = call(SYS_rt_sigtimedwait, (long)&own, 0, 0, 8);
        if (signal > 0 && signal != SIGCHLD) call(SYS_kill, child, signal, 0, 0);
        for (;;) {
            int status = 0;
            long ended = call(SYS_wait4, -1, (long)&status, 1 /* WNOHANG */, 0);
            if (ended <= 0) break;
            if (ended == child) code = status & 0x7f ? 128 + (status & 0x7f) : (status >> 8) & 0xff;
        }
    }
    for (;;) call(SYS_exit_group, code, 0, 0, 0);
}

static int put_all(int fd, const void *bytes, size_t count, off_t at) {
    ssize_t n = pwrite(fd, bytes, count, at);
    return n < 0 ? -errno : (size_t)n == count ? 0 : -EIO;
}

int cl_init_program(void) {
    // Code finds its texts by the distance between pages: it lies at the same place of its page as here.
    uintptr_t start = (uintptr_t)__start_apus_init, size = (uintptr_t)__stop_apus_init - start;
    uint64_t base = 0x400000, at = 4096 + (start & 4095);
    struct { Elf64_Ehdr head; Elf64_Phdr parts[2]; } elf;
    memset(&elf, 0, sizeof elf);
    memcpy(elf.head.e_ident, ELFMAG, SELFMAG);
    elf.head.e_ident[EI_CLASS] = ELFCLASS64;
    elf.head.e_ident[EI_DATA] = ELFDATA2LSB;
    elf.head.e_ident[EI_VERSION] = EV_CURRENT;
    elf.head.e_type = ET_EXEC;
#if defined(__x86_64__)
    elf.head.e_machine = EM_X86_64;
#else
    elf.head.e_machine = EM_AARCH64;
#endif
    elf.head.e_version = EV_CURRENT;
    elf.head.e_entry = base + at + ((uintptr_t)init_entry - start);
    elf.head.e_phoff = sizeof elf.head;
    elf.head.e_ehsize = sizeof elf.head;
    elf.head.e_phentsize = sizeof elf.parts[0];
    elf.head.e_phnum = 2;
    elf.parts[0] = (Elf64_Phdr){.p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_vaddr = base, .p_paddr = base,
                                .p_filesz = at + size, .p_memsz = at + size, .p_align = 4096};
    elf.parts[1] = (Elf64_Phdr){.p_type = PT_GNU_STACK, .p_flags = PF_R | PF_W, .p_align = 16};
    unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    int fd = memfd_create("init", flags | 0x10 /* MFD_EXEC, Linux 6.3 */);
    if (fd < 0 && errno == EINVAL) fd = memfd_create("init", flags);
    if (fd < 0) return -errno;
    int result = put_all(fd, &elf, sizeof elf, 0);
    if (result == 0) result = put_all(fd, __start_apus_init, size, (off_t)at);
    if (result == 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0) result = -errno;
    if (result == 0) return fd;
    close(fd);
    return result;
}

int cl_execveat(int fd, char *const argv[], char *const envp[]) {
    syscall(SYS_execveat, fd, "", argv, envp, AT_EMPTY_PATH);
    return -errno;
}
