#pragma once
// Before main the program copies itself, see seal.c; what else has to be known or done that early is here.

/// How many descriptors, from 3 on without a gap, the program was started with.
unsigned seal_open_descriptors(void);

/// Hides the arguments from /proc/PID/cmdline, in this process and in those cloned from it, or shows them again.
void seal_hide_arguments(int hidden);
