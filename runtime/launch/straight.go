//go:build linux

package launch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// throughout executes a plan that stops nowhere, as an exec's: nobody is waited
// for but the end of the report pipe, which is the second child's execve, or its
// death.
//
//	us                      first child              second child
//	  clone ──────────────▶ join cgroups, limits,
//	                        setns, chroot
//	                        clone ────────────────▶ rights, folder, filter
//	  read(report) = 0 ◀─────────────────────────── execve
//
// Each stop would be two changes between processes: with them an exec took half
// as long again.
func (l *launcher) throughout(ctx context.Context, p *Process, childReport int) (err error) {
	if err := l.prepare(ctx, p); err != nil {
		return err
	}
	first, err := l.born()
	if err != nil {
		return err
	}
	l.closeChildEnds(childReport)
	born := &l.prog.scripts[join].ledger.pid
	// Joined to a frozen cgroup they stand still until somebody lets them go on,
	// or the caller has enough. Neither id is anybody else's before we have
	// waited for it, and that is after the end of this.
	killed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(killed)
		unix.Kill(first, unix.SIGKILL)
		if pid := int(atomic.LoadInt64(born)); pid != 0 {
			unix.Kill(pid, unix.SIGKILL)
		}
	})
	b, err := readByte(p.report)
	if !stop() {
		<-killed
	}
	unix.Close(p.report)
	p.report = -1
	if b != 0 {
		err = errors.Join(err, fmt.Errorf("the child reports %q in a plan without stops", b))
	}
	err = errors.Join(err, wait(first))
	p.pid = int(atomic.LoadInt64(born))
	err = errors.Join(err, p.restoreDumpable(), p.restoreScore())
	if err == nil {
		err = ctx.Err()
	}
	if err == nil && (p.pid == 0 || l.prog.failed()) {
		err = l.prog.failure(l.command)
	}
	if err != nil {
		return err
	}
	p.mu.Lock()
	p.trace = l.prog.trace(true)
	l.prog.free()
	p.prog = nil
	p.mu.Unlock()
	if p.pidfd, err = unix.PidfdOpen(p.pid, 0); err != nil {
		return os.NewSyscallError("pidfd_open", err)
	}
	if l.terminal {
		return p.openMaster()
	}
	return nil
}

// wait takes the status of a first child.
func wait(pid int) error {
	var ws unix.WaitStatus
	for {
		_, err := unix.Wait4(pid, &ws, unix.WALL, nil)
		if err != unix.EINTR {
			return os.NewSyscallError("wait4", err)
		}
	}
}
