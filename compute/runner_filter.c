/* Jobs run any code: this list is the way into the kernel that no ordinary job takes, and so is shut. */
#include "runner_filter.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>

/* Namespaces (in one of its own a process has every capability, and a much larger kernel to attack), mounts, the kernel's keyrings (shared
 * by user, outliving the job), and calls known for their holes. */
static const int refused_calls[] = {
    SCMP_SYS(unshare), SCMP_SYS(setns), SCMP_SYS(mount), SCMP_SYS(umount2), SCMP_SYS(pivot_root), SCMP_SYS(chroot), SCMP_SYS(open_tree),
    SCMP_SYS(move_mount), SCMP_SYS(fsopen), SCMP_SYS(fsconfig), SCMP_SYS(fsmount), SCMP_SYS(fspick), SCMP_SYS(mount_setattr), SCMP_SYS(keyctl),
    SCMP_SYS(add_key), SCMP_SYS(request_key), SCMP_SYS(bpf), SCMP_SYS(perf_event_open), SCMP_SYS(userfaultfd), SCMP_SYS(fanotify_init),
    SCMP_SYS(kexec_load), SCMP_SYS(kexec_file_load), SCMP_SYS(init_module), SCMP_SYS(finit_module), SCMP_SYS(delete_module), SCMP_SYS(swapon),
    SCMP_SYS(acct), SCMP_SYS(quotactl), SCMP_SYS(reboot), SCMP_SYS(open_by_handle_at),
};

/* Libraries ask for these and do without. */
static const int absent_calls[] = {SCMP_SYS(io_uring_setup), SCMP_SYS(io_uring_enter), SCMP_SYS(io_uring_register), SCMP_SYS(clone3)};

static const unsigned long namespaces[] = {CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWIPC, CLONE_NEWUTS, CLONE_NEWCGROUP};

#define COUNT(a) (sizeof(a) / sizeof *(a))

bool eg_runner_filter(void) {
    scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
    int rc = ctx ? 0 : -ENOMEM;
    for (size_t i = 0; rc == 0 && i < COUNT(refused_calls); i++) {
        rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), refused_calls[i], 0);
    }
    for (size_t i = 0; rc == 0 && i < COUNT(absent_calls); i++) {
        rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), absent_calls[i], 0);
    }
    for (size_t i = 0; rc == 0 && i < COUNT(namespaces); i++) {
        rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1, SCMP_A0(SCMP_CMP_MASKED_EQ, namespaces[i], namespaces[i]));
    }
    rc = rc ? rc : seccomp_load(ctx);
    if (ctx) {
        seccomp_release(ctx);
    }
    return rc == 0;
}
