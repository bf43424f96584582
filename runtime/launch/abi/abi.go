//go:build linux

// Package abi gives the numbers that the kernel has for the names which plans
// use: plans are made on any system, numbers differ by processor.
package abi

import (
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Call returns the number of a system call.
func Call(name string) (uintptr, bool) {
	switch name {
	case "capset":
		return unix.SYS_CAPSET, true
	case "chdir":
		return unix.SYS_CHDIR, true
	case "chroot":
		return unix.SYS_CHROOT, true
	case "close":
		return unix.SYS_CLOSE, true
	case "close_range":
		return unix.SYS_CLOSE_RANGE, true
	case "dup3":
		return unix.SYS_DUP3, true
	case "execve":
		return unix.SYS_EXECVE, true
	case "fchdir":
		return unix.SYS_FCHDIR, true
	case "fchown":
		return unix.SYS_FCHOWN, true
	case "fchownat":
		return unix.SYS_FCHOWNAT, true
	case "fsconfig":
		return unix.SYS_FSCONFIG, true
	case "fsmount":
		return unix.SYS_FSMOUNT, true
	case "fsopen":
		return unix.SYS_FSOPEN, true
	case "fstatfs":
		return unix.SYS_FSTATFS, true
	case "getcwd":
		return unix.SYS_GETCWD, true
	case "ioctl":
		return unix.SYS_IOCTL, true
	case "ioprio_set":
		return unix.SYS_IOPRIO_SET, true
	case "keyctl":
		return unix.SYS_KEYCTL, true
	case "mkdirat":
		return unix.SYS_MKDIRAT, true
	case "mknodat":
		return unix.SYS_MKNODAT, true
	case "mount":
		return unix.SYS_MOUNT, true
	case "mount_setattr":
		return unix.SYS_MOUNT_SETATTR, true
	case "move_mount":
		return unix.SYS_MOVE_MOUNT, true
	case "open_tree":
		return unix.SYS_OPEN_TREE, true
	case "openat":
		return unix.SYS_OPENAT, true
	case "openat2":
		return unix.SYS_OPENAT2, true
	case "personality":
		return unix.SYS_PERSONALITY, true
	case "pivot_root":
		return unix.SYS_PIVOT_ROOT, true
	case "prctl":
		return unix.SYS_PRCTL, true
	case "prlimit64":
		return unix.SYS_PRLIMIT64, true
	case "read":
		return unix.SYS_READ, true
	case "sched_setattr":
		return unix.SYS_SCHED_SETATTR, true
	case "seccomp":
		return unix.SYS_SECCOMP, true
	case "setdomainname":
		return unix.SYS_SETDOMAINNAME, true
	case "setgroups":
		return unix.SYS_SETGROUPS, true
	case "sethostname":
		return unix.SYS_SETHOSTNAME, true
	case "setns":
		return unix.SYS_SETNS, true
	case "setresgid":
		return unix.SYS_SETRESGID, true
	case "setresuid":
		return unix.SYS_SETRESUID, true
	case "setsid":
		return unix.SYS_SETSID, true
	case "socket":
		return unix.SYS_SOCKET, true
	case "symlinkat":
		return unix.SYS_SYMLINKAT, true
	case "umask":
		return unix.SYS_UMASK, true
	case "umount2":
		return unix.SYS_UMOUNT2, true
	case "unshare":
		return unix.SYS_UNSHARE, true
	case "write":
		return unix.SYS_WRITE, true
	}
	return 0, false
}

// Value resolves constants joined by |, or numbers, to a number.
func Value(names string) (uint64, error) {
	var v uint64
	for more := true; more; {
		var n string
		n, names, more = strings.Cut(names, "|")
		if x, ok := constant(n); ok {
			v |= x
			continue
		}
		x, err := strconv.ParseUint(n, 0, 64)
		if err != nil {
			return 0, fmt.Errorf("no constant is called %q", n)
		}
		v |= x
	}
	return v, nil
}

// constant returns the value of a name that plans use; the kernel's headers
// differ by processor, so the plan keeps to names.
func constant(name string) (uint64, bool) {
	at := int64(unix.AT_FDCWD)
	switch name {
	case "AF_INET":
		return unix.AF_INET, true
	case "AT_EMPTY_PATH":
		return unix.AT_EMPTY_PATH, true
	case "AT_FDCWD":
		return uint64(at), true
	case "AT_RECURSIVE":
		return unix.AT_RECURSIVE, true
	case "AT_SYMLINK_NOFOLLOW":
		return unix.AT_SYMLINK_NOFOLLOW, true
	case "CLONE_INTO_CGROUP":
		return unix.CLONE_INTO_CGROUP, true
	case "CLONE_NEWCGROUP":
		return unix.CLONE_NEWCGROUP, true
	case "CLONE_NEWIPC":
		return unix.CLONE_NEWIPC, true
	case "CLONE_NEWNET":
		return unix.CLONE_NEWNET, true
	case "CLONE_NEWNS":
		return unix.CLONE_NEWNS, true
	case "CLONE_NEWPID":
		return unix.CLONE_NEWPID, true
	case "CLONE_NEWTIME":
		return unix.CLONE_NEWTIME, true
	case "CLONE_NEWUSER":
		return unix.CLONE_NEWUSER, true
	case "CLONE_NEWUTS":
		return unix.CLONE_NEWUTS, true
	case "FSCONFIG_CMD_CREATE":
		return unix.FSCONFIG_CMD_CREATE, true
	case "FSCONFIG_SET_FLAG":
		return unix.FSCONFIG_SET_FLAG, true
	case "FSCONFIG_SET_STRING":
		return unix.FSCONFIG_SET_STRING, true
	case "FSMOUNT_CLOEXEC":
		return unix.FSMOUNT_CLOEXEC, true
	case "FSOPEN_CLOEXEC":
		return unix.FSOPEN_CLOEXEC, true
	case "IFF_RUNNING":
		return unix.IFF_RUNNING, true
	case "IFF_UP":
		return unix.IFF_UP, true
	case "KEYCTL_JOIN_SESSION_KEYRING":
		return unix.KEYCTL_JOIN_SESSION_KEYRING, true
	case "MNT_DETACH":
		return unix.MNT_DETACH, true
	case "MOUNT_ATTR_IDMAP":
		return unix.MOUNT_ATTR_IDMAP, true
	case "MOUNT_ATTR_NOATIME":
		return unix.MOUNT_ATTR_NOATIME, true
	case "MOUNT_ATTR_NODEV":
		return unix.MOUNT_ATTR_NODEV, true
	case "MOUNT_ATTR_NODIRATIME":
		return unix.MOUNT_ATTR_NODIRATIME, true
	case "MOUNT_ATTR_NOEXEC":
		return unix.MOUNT_ATTR_NOEXEC, true
	case "MOUNT_ATTR_NOSUID":
		return unix.MOUNT_ATTR_NOSUID, true
	case "MOUNT_ATTR_NOSYMFOLLOW":
		return unix.MOUNT_ATTR_NOSYMFOLLOW, true
	case "MOUNT_ATTR_RDONLY":
		return unix.MOUNT_ATTR_RDONLY, true
	case "MOUNT_ATTR_RELATIME":
		return unix.MOUNT_ATTR_RELATIME, true
	case "MOUNT_ATTR_STRICTATIME":
		return unix.MOUNT_ATTR_STRICTATIME, true
	case "MOUNT_ATTR__ATIME":
		return unix.MOUNT_ATTR__ATIME, true
	case "MOVE_MOUNT_F_EMPTY_PATH":
		return unix.MOVE_MOUNT_F_EMPTY_PATH, true
	case "MOVE_MOUNT_T_EMPTY_PATH":
		return unix.MOVE_MOUNT_T_EMPTY_PATH, true
	case "MS_PRIVATE":
		return unix.MS_PRIVATE, true
	case "MS_REC":
		return unix.MS_REC, true
	case "MS_SHARED":
		return unix.MS_SHARED, true
	case "MS_SLAVE":
		return unix.MS_SLAVE, true
	case "MS_UNBINDABLE":
		return unix.MS_UNBINDABLE, true
	case "OPEN_TREE_CLOEXEC":
		return unix.OPEN_TREE_CLOEXEC, true
	case "OPEN_TREE_CLONE":
		return unix.OPEN_TREE_CLONE, true
	case "O_CLOEXEC":
		return unix.O_CLOEXEC, true
	case "O_DIRECTORY":
		return unix.O_DIRECTORY, true
	case "O_NOCTTY":
		return unix.O_NOCTTY, true
	case "O_NOFOLLOW":
		return unix.O_NOFOLLOW, true
	case "O_PATH":
		return unix.O_PATH, true
	case "O_RDONLY":
		return unix.O_RDONLY, true
	case "O_RDWR":
		return unix.O_RDWR, true
	case "O_WRONLY":
		return unix.O_WRONLY, true
	case "PR_CAPBSET_DROP":
		return unix.PR_CAPBSET_DROP, true
	case "PR_CAP_AMBIENT":
		return unix.PR_CAP_AMBIENT, true
	case "PR_CAP_AMBIENT_CLEAR_ALL":
		return unix.PR_CAP_AMBIENT_CLEAR_ALL, true
	case "PR_CAP_AMBIENT_RAISE":
		return unix.PR_CAP_AMBIENT_RAISE, true
	case "PR_SET_KEEPCAPS":
		return unix.PR_SET_KEEPCAPS, true
	case "PR_SET_NO_NEW_PRIVS":
		return unix.PR_SET_NO_NEW_PRIVS, true
	case "RESOLVE_BENEATH":
		return unix.RESOLVE_BENEATH, true
	case "RESOLVE_IN_ROOT":
		return unix.RESOLVE_IN_ROOT, true
	case "RESOLVE_NO_MAGICLINKS":
		return unix.RESOLVE_NO_MAGICLINKS, true
	case "RESOLVE_NO_SYMLINKS":
		return unix.RESOLVE_NO_SYMLINKS, true
	case "RLIMIT_AS":
		return unix.RLIMIT_AS, true
	case "RLIMIT_CORE":
		return unix.RLIMIT_CORE, true
	case "RLIMIT_CPU":
		return unix.RLIMIT_CPU, true
	case "RLIMIT_DATA":
		return unix.RLIMIT_DATA, true
	case "RLIMIT_FSIZE":
		return unix.RLIMIT_FSIZE, true
	case "RLIMIT_LOCKS":
		return unix.RLIMIT_LOCKS, true
	case "RLIMIT_MEMLOCK":
		return unix.RLIMIT_MEMLOCK, true
	case "RLIMIT_MSGQUEUE":
		return unix.RLIMIT_MSGQUEUE, true
	case "RLIMIT_NICE":
		return unix.RLIMIT_NICE, true
	case "RLIMIT_NOFILE":
		return unix.RLIMIT_NOFILE, true
	case "RLIMIT_NPROC":
		return unix.RLIMIT_NPROC, true
	case "RLIMIT_RSS":
		return unix.RLIMIT_RSS, true
	case "RLIMIT_RTPRIO":
		return unix.RLIMIT_RTPRIO, true
	case "RLIMIT_RTTIME":
		return unix.RLIMIT_RTTIME, true
	case "RLIMIT_SIGPENDING":
		return unix.RLIMIT_SIGPENDING, true
	case "RLIMIT_STACK":
		return unix.RLIMIT_STACK, true
	case "SCHED_BATCH":
		return unix.SCHED_BATCH, true
	case "SCHED_DEADLINE":
		return unix.SCHED_DEADLINE, true
	case "SCHED_FIFO":
		return unix.SCHED_FIFO, true
	case "SCHED_FLAG_DL_OVERRUN":
		return unix.SCHED_FLAG_DL_OVERRUN, true
	case "SCHED_FLAG_KEEP_PARAMS":
		return unix.SCHED_FLAG_KEEP_PARAMS, true
	case "SCHED_FLAG_KEEP_POLICY":
		return unix.SCHED_FLAG_KEEP_POLICY, true
	case "SCHED_FLAG_RECLAIM":
		return unix.SCHED_FLAG_RECLAIM, true
	case "SCHED_FLAG_RESET_ON_FORK":
		return unix.SCHED_FLAG_RESET_ON_FORK, true
	case "SCHED_IDLE":
		return unix.SCHED_IDLE, true
	case "SCHED_ISO":
		return 4, true // a number that sched.h keeps for a policy that is not there
	case "SCHED_OTHER":
		return unix.SCHED_NORMAL, true
	case "SCHED_RR":
		return unix.SCHED_RR, true
	case "SECCOMP_FILTER_FLAG_LOG":
		return unix.SECCOMP_FILTER_FLAG_LOG, true
	case "SECCOMP_FILTER_FLAG_NEW_LISTENER":
		return unix.SECCOMP_FILTER_FLAG_NEW_LISTENER, true
	case "SECCOMP_FILTER_FLAG_SPEC_ALLOW":
		return unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW, true
	case "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV":
		return unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, true
	case "SECCOMP_SET_MODE_FILTER":
		return unix.SECCOMP_SET_MODE_FILTER, true
	case "SIOCSIFFLAGS":
		return unix.SIOCSIFFLAGS, true
	case "SOCK_CLOEXEC":
		return unix.SOCK_CLOEXEC, true
	case "SOCK_DGRAM":
		return unix.SOCK_DGRAM, true
	case "S_IFBLK":
		return unix.S_IFBLK, true
	case "S_IFCHR":
		return unix.S_IFCHR, true
	case "S_IFIFO":
		return unix.S_IFIFO, true
	case "S_IFREG":
		return unix.S_IFREG, true
	case "TIOCGPTPEER":
		return unix.TIOCGPTPEER, true
	case "TIOCSCTTY":
		return unix.TIOCSCTTY, true
	case "TIOCSPTLCK":
		return unix.TIOCSPTLCK, true
	case "TIOCSWINSZ":
		return unix.TIOCSWINSZ, true
	case "_LINUX_CAPABILITY_VERSION_3":
		return unix.LINUX_CAPABILITY_VERSION_3, true
	case "~0U":
		return 1<<32 - 1, true
	}
	return 0, false
}

// Errno returns the number of an error, 0 for no name.
func Errno(name string) (uint16, bool) {
	switch name {
	case "":
		return 0, true
	case "EDQUOT":
		return uint16(unix.EDQUOT), true
	case "EEXIST":
		return uint16(unix.EEXIST), true
	case "ENOENT":
		return uint16(unix.ENOENT), true
	case "ENOSYS":
		return uint16(unix.ENOSYS), true
	case "ENOTDIR":
		return uint16(unix.ENOTDIR), true
	case "EPERM":
		return uint16(unix.EPERM), true
	}
	return 0, false
}
