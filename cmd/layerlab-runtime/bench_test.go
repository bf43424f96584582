//go:build linux

package main

import (
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// smallest is an ELF program that only ends: exit(0) in 132 bytes, so that a
// benchmark measures the runtime and not the start of a program.
func smallest() []byte {
	le := binary.LittleEndian
	b := []byte{0x7f, 'E', 'L', 'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	b = le.AppendUint16(b, 2)  // executable
	b = le.AppendUint16(b, 62) // x86-64
	b = le.AppendUint32(b, 1)
	b = le.AppendUint64(b, 0x400078) // entry
	b = le.AppendUint64(b, 64)       // program headers
	b = le.AppendUint64(b, 0)
	b = le.AppendUint32(b, 0)
	for _, n := range []uint16{64, 56, 1, 0, 0, 0} {
		b = le.AppendUint16(b, n)
	}
	b = le.AppendUint32(b, 1) // load
	b = le.AppendUint32(b, 5) // read, execute
	for _, n := range []uint64{0, 0x400000, 0x400000, 132, 132, 0x1000} {
		b = le.AppendUint64(b, n)
	}
	return append(b, 0x31, 0xff, 0xb8, 60, 0, 0, 0, 0x0f, 0x05, 0x90, 0x90, 0x90) // xor edi,edi; mov eax,60; syscall
}

// BenchmarkRun compares whole runs of /bin/true, process start included, with
// the runtimes that are installed; look at the ratios.
//
// crun 1.8.1 refuses hybrid cgroups, so it runs in a mount namespace with
// cgroup2 alone and makes no cgroups: it has less to do.
func BenchmarkRun(b *testing.B) {
	if runtime.GOARCH != "amd64" {
		b.Skip("the smallest program is one of amd64")
	}
	x := newBench(b)
	if err := os.WriteFile(filepath.Join(x.bundle, "rootfs/bin/true"), smallest(), 0o755); err != nil {
		b.Fatal(err)
	}
	// runc walks to the root as the container's user.
	for _, d := range []string{x.dir, filepath.Dir(x.dir)} {
		if err := os.Chmod(d, 0o755); err != nil {
			b.Fatal(err)
		}
	}
	ids := []specs.LinuxIDMapping{{ContainerID: 0, HostID: 300000, Size: 65536}}
	for _, userns := range []bool{false, true} {
		name := "host_user"
		if userns {
			name = "user_namespace"
		}
		x.config(nil, func(s *specs.Spec) {
			s.Version = "1.0.2" // the newest that crun 1.8.1 knows
			s.Process.Args = []string{"/bin/true"}
			s.Mounts = s.Mounts[:len(s.Mounts)-1]
			s.Linux.CgroupsPath = "/layerlab-bench/x"
			if userns {
				s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.UserNamespace})
				s.Linux.UIDMappings, s.Linux.GIDMappings = ids, ids
				filepath.Walk(filepath.Join(x.bundle, "rootfs"), func(p string, _ os.FileInfo, _ error) error { return os.Lchown(p, 300000, 300000) })
			}
		})
		for _, r := range []struct {
			name string
			argv []string
		}{
			{"layerlab", []string{x.bin, "--root", x.root, "run", "-b", x.bundle, "bench"}},
			{"runc", []string{"runc", "run", "-b", x.bundle, "bench"}},
			{"crun", []string{"unshare", "-m", "sh", "-c", "umount -l /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup; exec crun --cgroup-manager=disabled run -b " + x.bundle + " bench"}},
			{"unshare_alone", []string{"unshare", "-m", "sh", "-c", "umount -l /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup; exec true"}},
		} {
			b.Run(name+"/"+r.name, func(b *testing.B) {
				if _, err := exec.LookPath(r.argv[0]); err != nil {
					b.Skip(r.argv[0] + " is not installed")
				}
				var cpu time.Duration
				n := 0
				for b.Loop() {
					cmd := exec.Command(r.argv[0], r.argv[1:]...)
					if out, err := cmd.CombinedOutput(); err != nil {
						b.Fatalf("%v: %s", err, out)
					}
					cpu += cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
					n++
				}
				// Steadier than the clock on a busy machine.
				b.ReportMetric(float64(cpu.Microseconds())/float64(n)/1000, "cpu-ms/op")
			})
		}
	}
}
