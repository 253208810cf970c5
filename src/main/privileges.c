/* The contract is in main/privileges.h. */
#include "main/privileges.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/str.h"

#define KEPT ((1u << CAP_CHOWN) | (1u << CAP_FOWNER) | (1u << CAP_DAC_OVERRIDE))

int privileges_find(const char *user, struct privileges *ret, char **ret_error) {
        if (geteuid() != 0) {
                *ret = (struct privileges){.uid = geteuid(), .gid = getegid()};
                return 0;
        }
        const struct passwd *pw = getpwnam(user);
        if (pw && pw->pw_uid != 0) {
                *ret = (struct privileges){.root = true, .uid = pw->pw_uid, .gid = pw->pw_gid};
                return 0;
        }
        *ret_error =
                pw ? str_printf("server.user: %s is root; latchd does not stay root", user)
                   : str_printf(
                             "server.user: there is no user %s. Make it (adduser --system --group "
                             "--no-create-home %s), or set server.user in the configuration",
                             user, user);
        return *ret_error ? -EINVAL : -ENOMEM;
}

static int set_capabilities(void) {
        struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
        struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {
                {.effective = KEPT, .permitted = KEPT},
        };

        return syscall(SYS_capset, &head, data) < 0 ? -errno : 0;
}

static bool has_exactly_kept(void) {
        struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
        struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

        if (syscall(SYS_capget, &head, data) < 0)
                return false;
        return data[0].effective == KEPT && data[0].permitted == KEPT && data[0].inheritable == 0 &&
               data[1].effective == 0 && data[1].permitted == 0 && data[1].inheritable == 0;
}

static bool is_for_good(const struct privileges *p) {
        uid_t r, e, s;
        gid_t rg, eg, sg;

        if (getresuid(&r, &e, &s) < 0 || getresgid(&rg, &eg, &sg) < 0)
                return false;
        return r == p->uid && e == p->uid && s == p->uid && rg == p->gid && eg == p->gid &&
               sg == p->gid && getgroups(0, NULL) == 0 && has_exactly_kept() && setuid(0) < 0 &&
               setgid(0) < 0;
}

#if defined(__SANITIZE_THREAD__)
#define THREADS 2 /* its run time may have one of its own, which runs nothing of ours */
#else
#define THREADS 1
#endif

/* Capabilities are each thread's own: another thread would stay what it is. */
static bool is_only_thread(void) {
        struct stat st;

        return stat("/proc/self/task", &st) == 0 && st.st_nlink <= 2 + THREADS;
}

int privileges_drop(const struct privileges *p) {
        if (!p->root)
                return 0;
        if (!is_only_thread())
                return -EBUSY;
        if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 || setgroups(0, NULL) < 0 ||
            setresgid(p->gid, p->gid, p->gid) < 0 || setresuid(p->uid, p->uid, p->uid) < 0)
                return -errno;
        int r = set_capabilities();
        if (r < 0)
                return r;
        if (prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) < 0 ||
            prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 ||
            prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return -errno;
        return is_for_good(p) ? 0 : -EPERM;
}
