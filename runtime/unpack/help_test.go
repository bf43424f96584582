//go:build linux

package unpack

import "syscall"

// asNobody runs a command as another user of the host.
func asNobody() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
}
