//go:build linux

package rootless

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore/fault"
	"github.com/layerlab/layerlab/runtime/identity"
	"github.com/layerlab/layerlab/runtime/sealed"
)

// Inside says whether Enter started this process, and returns to the folder in
// which it was called.
func Inside() (bool, error) {
	dir, is := os.LookupEnv(Env)
	if !is {
		return false, nil
	}
	return true, os.Chdir(dir)
}

// Enter executes this program again, with the same arguments, as root of the
// user namespace that belongs to run. helper is the program layerlab-helper. It
// returns only on an error.
func Enter(ctx context.Context, run string, helper []byte, f Facts) error {
	if err := os.MkdirAll(run, 0o700); err != nil {
		return err
	}
	lock, err := os.OpenFile(filepath.Join(run, "rootless.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil { // two servers begin at a time
		return os.NewSyscallError("flock", err)
	}
	note := filepath.Join(run, "rootless.json")
	k, err := readKeeper(note)
	if err != nil {
		if k, err = keep(ctx, helper, f); err != nil {
			e := fault.New(fault.ErrHost, "rootless-failed", "make the user namespace: "+err.Error(), "reason", err.Error())
			e.Err = err
			return e
		}
		text, err := json.Marshal(k)
		if err == nil {
			err = os.WriteFile(note, text, 0o600)
		}
		if err != nil {
			return errors.Join(err, unix.Kill(k.PID, unix.SIGKILL))
		}
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	path, err := exec.LookPath(nsenter)
	if err != nil {
		return err
	}
	args := []string{nsenter, "--user", "--mount", "--target", strconv.Itoa(k.PID), "--setuid", "0", "--setgid", "0", "--", program}
	return os.NewSyscallError("execve nsenter", unix.Exec(path, append(args, os.Args[1:]...), append(os.Environ(), Env+"="+dir)))
}

// keeper is the process that holds the namespaces.
type keeper struct {
	PID   int    `json:"pid"`
	Start string `json:"start"` // of the process, in ticks since the boot
	Boot  string `json:"boot"`
}

// readKeeper finds the one that lives.
func readKeeper(note string) (k keeper, err error) {
	text, err := os.ReadFile(note)
	if err != nil {
		return k, err
	}
	if err := json.Unmarshal(text, &k); err != nil {
		return k, err
	}
	if is, err := identify(k.PID); err != nil || is != k {
		return k, errors.Join(errors.New("the keeper has ended"), err)
	}
	return k, nil
}

// identify says which process has a number now.
func identify(pid int) (keeper, error) {
	state, start, err := identity.Stat(pid)
	if err != nil {
		return keeper{}, err
	}
	if state == 'Z' {
		return keeper{}, errors.New("the process has ended")
	}
	return keeper{pid, strconv.FormatUint(start, 10), identity.Boot()}, nil
}

// keep starts a keeper in namespaces of its own and has its ids mapped.
func keep(ctx context.Context, helper []byte, f Facts) (keeper, error) {
	program, err := sealed.Copy("layerlab-runtime", bytes.NewReader(helper))
	if err != nil {
		return keeper{}, err
	}
	defer program.Close()
	cmd := exec.Command("/proc/self/fd/3", Word)
	cmd.Args[0] = "layerlab-runtime"
	cmd.Env = []string{}
	cmd.Dir = "/"
	cmd.ExtraFiles = []*os.File{program}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Setsid: true, Cloneflags: unix.CLONE_NEWUSER | unix.CLONE_NEWNS,
		AmbientCaps: []uintptr{unix.CAP_SYS_PTRACE}, // to see which namespaces a shim is in, which is not dumpable
	}
	if err := cmd.Start(); err != nil {
		return keeper{}, fmt.Errorf("%w (see sysctl user.max_user_namespaces)", err)
	}
	pid := cmd.Process.Pid
	fail := func(err error) (keeper, error) {
		return keeper{}, errors.Join(err, cmd.Process.Kill(), ended(cmd.Wait()))
	}
	for _, m := range []struct {
		tool string
		own  int
		ids  Range
	}{{newuidmap, f.UID, f.UIDs}, {newgidmap, os.Getgid(), f.GIDs}} {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		out, err := exec.CommandContext(ctx, m.tool, mapping(pid, m.own, m.ids)...).CombinedOutput()
		cancel()
		if err != nil {
			return fail(fmt.Errorf("%s: %w: %s", m.tool, err, bytes.TrimSpace(out)))
		}
	}
	k, err := identify(pid)
	if err != nil {
		return fail(err)
	}
	return k, nil
}

// ended drops what a killed process's end is.
func ended(err error) error {
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return nil
	}
	return err
}

// mapping are newuidmap's arguments: our own id is 0, the subordinate ones
// follow.
func mapping(pid, own int, ids Range) []string {
	var list []string
	for _, n := range []int{pid, 0, own, 1, 1, int(ids.First), Size} {
		list = append(list, strconv.Itoa(n))
	}
	return list
}
