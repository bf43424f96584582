//go:build linux

package devices

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Limit makes the rules those of a cgroup, in place of any that Limit gave it
// before. dir is the cgroup's folder in a mounted cgroup2. The rules of the
// cgroups above hold too.
func Limit(dir string, rules []Rule) error {
	prog, err := Program(rules)
	if err != nil {
		return err
	}
	group, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: dir, Err: err}
	}
	defer unix.Close(group)
	fd, err := load(prog)
	if err != nil {
		return err
	}
	defer unix.Close(fd) // the cgroup keeps the program
	old, err := attached(group)
	if err != nil {
		return err
	}
	for _, o := range old {
		defer unix.Close(o)
	}
	// struct { u32 target_fd, attach_bpf_fd, attach_type, attach_flags, replace_bpf_fd }
	attr := words{uint32(group), uint32(fd), unix.BPF_CGROUP_DEVICE, unix.BPF_F_ALLOW_MULTI, 0}
	if len(old) == 1 {
		attr[3] |= unix.BPF_F_REPLACE
		attr[4] = uint32(old[0])
	}
	_, err = bpf(unix.BPF_PROG_ATTACH, attr.bytes())
	if len(old) == 1 && errors.Is(err, unix.EINVAL) {
		// BPF_F_REPLACE came with Linux 5.6. Two programs both have to allow,
		// so nothing is let through in between.
		attr[3], attr[4] = unix.BPF_F_ALLOW_MULTI, 0
		if _, err = bpf(unix.BPF_PROG_ATTACH, attr.bytes()); err == nil {
			detach := words{uint32(group), uint32(old[0]), unix.BPF_CGROUP_DEVICE}
			_, err = bpf(unix.BPF_PROG_DETACH, detach.bytes())
		}
	}
	if err != nil {
		return fmt.Errorf("attach the device rules to %s: %w", dir, err)
	}
	return nil
}

// load gives the program to the kernel.
func load(prog []Instruction) (int, error) {
	code, license := encode(prog), []byte("Apache-2.0\x00")
	var log [4096]byte
	// union bpf_attr of BPF_PROG_LOAD: u32 prog_type, insn_cnt; u64 insns,
	// license; u32 log_level, log_size; u64 log_buf.
	attr := make([]byte, 48)
	put := func(log []byte) {
		binary.NativeEndian.PutUint32(attr[0:], unix.BPF_PROG_TYPE_CGROUP_DEVICE)
		binary.NativeEndian.PutUint32(attr[4:], uint32(len(prog)))
		binary.NativeEndian.PutUint64(attr[8:], address(code))
		binary.NativeEndian.PutUint64(attr[16:], address(license))
		if len(log) > 0 {
			binary.NativeEndian.PutUint32(attr[24:], 1)
			binary.NativeEndian.PutUint32(attr[28:], uint32(len(log)))
			binary.NativeEndian.PutUint64(attr[32:], address(log))
		}
	}
	var pin runtime.Pinner
	defer pin.Unpin()
	for _, b := range [][]byte{code, license, log[:]} {
		pin.Pin(unsafe.SliceData(b))
	}
	put(nil)
	fd, err := bpf(unix.BPF_PROG_LOAD, attr)
	if err == nil {
		return fd, nil
	}
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSYS) {
		return -1, fmt.Errorf("load the device rules: %w (this needs CAP_SYS_ADMIN and a kernel with CONFIG_CGROUP_BPF)", err)
	}
	put(log[:]) // once more, for the verifier's words
	if fd, again := bpf(unix.BPF_PROG_LOAD, attr); again == nil {
		return fd, nil
	}
	return -1, fmt.Errorf("load the device rules: %w: %s", err, unix.ByteSliceToString(log[:]))
}

// attached returns the device programs of a cgroup itself.
func attached(group int) ([]int, error) {
	ids := make([]uint32, 64)
	var pin runtime.Pinner
	pin.Pin(&ids[0])
	defer pin.Unpin()
	// u32 target_fd, attach_type, query_flags, attach_flags; u64 prog_ids; u32 prog_cnt
	attr := make([]byte, 32)
	binary.NativeEndian.PutUint32(attr[0:], uint32(group))
	binary.NativeEndian.PutUint32(attr[4:], unix.BPF_CGROUP_DEVICE)
	binary.NativeEndian.PutUint64(attr[16:], uint64(uintptr(unsafe.Pointer(&ids[0]))))
	binary.NativeEndian.PutUint32(attr[24:], uint32(len(ids)))
	if _, err := bpf(unix.BPF_PROG_QUERY, attr); err != nil {
		return nil, fmt.Errorf("look for device rules: %w", err)
	}
	var fds []int
	for _, id := range ids[:min(int(binary.NativeEndian.Uint32(attr[24:])), len(ids))] {
		w := words{id}
		fd, err := bpf(unix.BPF_PROG_GET_FD_BY_ID, w.bytes())
		if errors.Is(err, unix.ENOENT) {
			continue // went meanwhile
		}
		if err != nil {
			return fds, fmt.Errorf("open device rules: %w", err)
		}
		fds = append(fds, fd)
	}
	return fds, nil
}

// words are the beginning of a union bpf_attr; the rest is zero.
type words [12]uint32

func (w *words) bytes() []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(w)), unsafe.Sizeof(*w))
}

func address(b []byte) uint64 { return uint64(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) }

func bpf(cmd uintptr, attr []byte) (int, error) {
	for {
		r, _, errno := unix.Syscall(unix.SYS_BPF, cmd, uintptr(unsafe.Pointer(unsafe.SliceData(attr))), uintptr(len(attr)))
		// The verifier gives up when a signal comes, as Go's preemption sends.
		if errno == unix.EAGAIN || errno == unix.EINTR {
			continue
		}
		if errno != 0 {
			return -1, os.NewSyscallError("bpf", errno)
		}
		return int(r), nil
	}
}

// registers packs two registers into a byte, in the order of the machine's
// bit fields.
func registers(dst, src uint8) byte {
	one := uint16(1)
	if *(*byte)(unsafe.Pointer(&one)) == 1 {
		return src<<4 | dst
	}
	return dst<<4 | src
}
