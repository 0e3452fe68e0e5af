extension SeccompProfile {
    /// What every container may call, by subject. Names that an architecture lacks cost nothing there.
    static let alwaysAllowed: [StaticString] = [
        // Files by descriptor.
        """
        read readv pread64 preadv preadv2 write writev pwrite64 pwritev pwritev2 lseek _llseek close
        close_range dup dup2 dup3 fcntl fcntl64 flock ioctl fsync fdatasync sync syncfs sync_file_range
        sync_file_range2 arm_sync_file_range ftruncate ftruncate64 fallocate fadvise64 fadvise64_64
        arm_fadvise64_64 readahead copy_file_range sendfile sendfile64 splice tee vmsplice pipe pipe2
        cachestat
        """,
        // Names in the file system.
        """
        open openat openat2 creat mkdir mkdirat mknod mknodat rmdir unlink unlinkat link linkat symlink
        symlinkat readlink readlinkat rename renameat renameat2 truncate truncate64 access faccessat
        faccessat2 getcwd chdir fchdir getdents getdents64 name_to_handle_at statmount listmount
        """,
        // What files are: status, owners, modes, times, attributes.
        """
        stat stat64 fstat fstat64 lstat lstat64 newfstatat fstatat64 statx statfs statfs64 fstatfs fstatfs64
        chmod fchmod fchmodat fchmodat2 chown chown32 fchown fchown32 lchown lchown32 fchownat umask utime
        utimes futimesat utimensat utimensat_time64 getxattr lgetxattr fgetxattr getxattrat setxattr
        lsetxattr fsetxattr setxattrat listxattr llistxattr flistxattr listxattrat removexattr lremovexattr
        fremovexattr removexattrat
        """,
        // Waiting for many descriptors, being told of changes.
        """
        poll ppoll ppoll_time64 select _newselect pselect6 pselect6_time64 epoll_create epoll_create1
        epoll_ctl epoll_ctl_old epoll_wait epoll_wait_old epoll_pwait epoll_pwait2 eventfd eventfd2 signalfd
        signalfd4 timerfd_create timerfd_settime timerfd_settime64 timerfd_gettime timerfd_gettime64
        inotify_init inotify_init1 inotify_add_watch inotify_rm_watch fanotify_mark io_setup io_destroy
        io_submit io_cancel io_getevents io_pgetevents io_pgetevents_time64
        """,
        // Sockets; socket(2) itself has rules of its own. 32-bit x86 comes through socketcall, whose
        // arguments no filter sees.
        """
        accept accept4 bind connect listen getpeername getsockname getsockopt setsockopt recv recvfrom
        recvmmsg recvmmsg_time64 recvmsg send sendmmsg sendmsg sendto shutdown socketpair socketcall
        """,
        // Memory.
        """
        brk mmap mmap2 munmap mremap mprotect madvise msync mincore mlock mlock2 mlockall munlock munlockall
        remap_file_pages membarrier memfd_create memfd_secret mseal map_shadow_stack pkey_alloc pkey_free
        pkey_mprotect process_mrelease
        """,
        // Processes and threads; clone(2) has rules of its own. ptrace has obeyed seccomp since Linux 4.8.
        """
        fork vfork execve execveat exit exit_group wait4 waitid waitpid getpid getppid gettid getpgid
        getpgrp setpgid getsid setsid kill tkill tgkill pidfd_open pidfd_send_signal ptrace process_vm_readv
        process_vm_writev prctl arch_prctl modify_ldt get_thread_area set_thread_area set_tid_address
        set_tls rseq set_robust_list get_robust_list futex futex_time64 futex_wait futex_waitv futex_wake
        futex_requeue restart_syscall seccomp landlock_create_ruleset landlock_add_rule
        landlock_restrict_self uretprobe uprobe breakpoint cacheflush riscv_hwprobe
        """,
        // Users, capabilities, limits, priorities.
        """
        getuid getuid32 geteuid geteuid32 getgid getgid32 getegid getegid32 getresuid getresuid32 getresgid
        getresgid32 getgroups getgroups32 setuid setuid32 setgid setgid32 setreuid setreuid32 setregid
        setregid32 setresuid setresuid32 setresgid setresgid32 setfsuid setfsuid32 setfsgid setfsgid32
        setgroups setgroups32 capget capset getrlimit ugetrlimit setrlimit prlimit64 getrusage getpriority
        setpriority ioprio_get ioprio_set sched_getaffinity sched_setaffinity sched_getattr sched_setattr
        sched_getparam sched_setparam sched_getscheduler sched_setscheduler sched_get_priority_max
        sched_get_priority_min sched_rr_get_interval sched_rr_get_interval_time64 sched_yield
        """,
        // Signals.
        """
        rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait
        rt_sigtimedwait_time64 rt_tgsigqueueinfo sigaction sigpending sigprocmask sigreturn sigsuspend signal
        sigaltstack pause alarm
        """,
        // Time. Setting the clock needs CAP_SYS_TIME, which the kernel asks of adjtimex itself.
        """
        time times gettimeofday clock_gettime clock_gettime64 clock_getres clock_getres_time64
        clock_nanosleep clock_nanosleep_time64 nanosleep clock_adjtime clock_adjtime64 adjtimex getitimer
        setitimer timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime
        timer_settime64
        """,
        // System V and POSIX message passing.
        """
        ipc msgctl msgget msgrcv msgsnd semctl semget semop semtimedop semtimedop_time64 shmat shmctl shmdt
        shmget mq_open mq_unlink mq_getsetattr mq_notify mq_timedreceive mq_timedreceive_time64 mq_timedsend
        mq_timedsend_time64
        """,
        // The machine.
        "uname sysinfo getcpu getrandom",
    ]
}
