//go:build linux

package seccomp

import "github.com/opencontainers/runtime-spec/specs-go"

// Two calls of the i386 interface are many: socketcall(2) and ipc(2) say by
// their first argument which one is meant. A rule for one of those holds for
// both ways, as with libseccomp: a filter that names socket alone could be
// walked around by socketcall. The other arguments lie in memory there, where
// no filter sees them.

const (
	i386Socketcall = 102
	i386IPC        = 117
)

// multiplexed returns the call that carries a call on i386, and its number
// there (linux/net.h, linux/ipc.h).
func multiplexed(name string) (nr, sub int, ok bool) {
	switch name {
	case "socket":
		return i386Socketcall, 1, true
	case "bind":
		return i386Socketcall, 2, true
	case "connect":
		return i386Socketcall, 3, true
	case "listen":
		return i386Socketcall, 4, true
	case "accept":
		return i386Socketcall, 5, true
	case "getsockname":
		return i386Socketcall, 6, true
	case "getpeername":
		return i386Socketcall, 7, true
	case "socketpair":
		return i386Socketcall, 8, true
	case "send":
		return i386Socketcall, 9, true
	case "recv":
		return i386Socketcall, 10, true
	case "sendto":
		return i386Socketcall, 11, true
	case "recvfrom":
		return i386Socketcall, 12, true
	case "shutdown":
		return i386Socketcall, 13, true
	case "setsockopt":
		return i386Socketcall, 14, true
	case "getsockopt":
		return i386Socketcall, 15, true
	case "sendmsg":
		return i386Socketcall, 16, true
	case "recvmsg":
		return i386Socketcall, 17, true
	case "accept4":
		return i386Socketcall, 18, true
	case "recvmmsg":
		return i386Socketcall, 19, true
	case "sendmmsg":
		return i386Socketcall, 20, true
	case "semop":
		return i386IPC, 1, true
	case "semget":
		return i386IPC, 2, true
	case "semctl":
		return i386IPC, 3, true
	case "semtimedop":
		return i386IPC, 4, true
	case "msgsnd":
		return i386IPC, 11, true
	case "msgrcv":
		return i386IPC, 12, true
	case "msgget":
		return i386IPC, 13, true
	case "msgctl":
		return i386IPC, 14, true
	case "shmat":
		return i386IPC, 21, true
	case "shmdt":
		return i386IPC, 22, true
	case "shmget":
		return i386IPC, 23, true
	case "shmctl":
		return i386IPC, 24, true
	}
	return 0, 0, false
}

// carried returns the conditions of a rule for the call that carries its own:
// the first argument is its number there.
func carried(args []specs.LinuxSeccompArg, sub int) []specs.LinuxSeccompArg {
	l := []specs.LinuxSeccompArg{{Index: 0, Op: specs.OpEqualTo, Value: uint64(sub)}}
	for _, a := range args {
		if a.Index != 0 {
			l = append(l, a)
		}
	}
	return l
}
