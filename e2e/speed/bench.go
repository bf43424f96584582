//go:build linux

package main

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"
)

// smallest is an ELF program that only ends: exit(0) in 132 bytes, so that the
// runtime is measured and not the start of a program.
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

// waiting is the same with pause() before.
func waiting() []byte {
	b := smallest()[:120]
	return append(b, 0xb8, 34, 0, 0, 0, 0x0f, 0x05, 0xeb, 0xf7, 0x90, 0x90, 0x90) // mov eax,34; syscall; jmp back
}

type bench struct {
	dir, bin string
	helper   string   // layerlab-helper
	sealed   *os.File // it, as the server has it; nil: not yet
	rounds   int
	want     *regexp.Regexp
	bundles  int
}

// subject is what is measured.
type subject struct {
	name string
	run  func() (usage, error)
}

// usage is what processes took beside time: those that were waited for.
type usage struct {
	cpu      time.Duration
	switches int64 // of context, of the process's own will and not
}

// command measures a command line.
func command(name string, argv []string) subject {
	return subject{name, func() (usage, error) {
		cmd := exec.Command(argv[0], argv[1:]...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			return usage{}, fmt.Errorf("%v: %w: %s", argv, err, out)
		}
		r := cmd.ProcessState.SysUsage().(*syscall.Rusage)
		return usage{cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), r.Nvcsw + r.Nivcsw}, nil
	}}
}

// bundle writes a bundle that runs /bin/NAME.
func (b *bench) bundle(command string, userns, filter bool) (string, error) {
	b.bundles++
	dir := filepath.Join(b.dir, fmt.Sprint("bundle", b.bundles))
	bin := filepath.Join(dir, "rootfs/bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return "", err
	}
	for name, program := range map[string][]byte{"true": smallest(), "wait": waiting()} {
		if err := os.WriteFile(filepath.Join(bin, name), program, 0o755); err != nil {
			return "", err
		}
	}
	cmd := exec.Command(b.bin, "spec", "-b", dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	file := filepath.Join(dir, "config.json")
	raw, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	var s specs.Spec
	if err := json.Unmarshal(raw, &s); err != nil {
		return "", err
	}
	s.Version = "1.0.2" // the newest that crun 1.8 knows
	s.Process.Terminal, s.Process.Args, s.Root.Readonly = false, []string{"/bin/" + command}, false
	s.Mounts = slices.DeleteFunc(s.Mounts, func(m specs.Mount) bool { return m.Type == "cgroup" })
	s.Linux.CgroupsPath = "/layerlab-speed-" + filepath.Base(dir)
	s.Linux.Seccomp = nil
	if filter {
		if s.Linux.Seccomp, err = seccomp.GetDefaultProfile(&s); err != nil {
			return "", err
		}
	}
	if userns {
		ids := []specs.LinuxIDMapping{{ContainerID: 0, HostID: 300000, Size: 65536}}
		s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.UserNamespace})
		s.Linux.UIDMappings, s.Linux.GIDMappings = ids, ids
		err := filepath.Walk(filepath.Join(dir, "rootfs"), func(p string, _ os.FileInfo, err error) error {
			if err != nil {
				return err
			}
			return os.Lchown(p, 300000, 300000)
		})
		if err != nil {
			return "", err
		}
	}
	if raw, err = json.Marshal(s); err != nil {
		return "", err
	}
	return dir, os.WriteFile(file, raw, 0o644)
}

const header = "%-44s %9s %9s %9s %9s %9s\n"

// compare measures subjects by turns and prints a line for each: the median of
// clock, processor time and context switches, and what ours, the first, is of it.
func (b *bench) compare(title string, l ...subject) error {
	if !b.want.MatchString(title) {
		return nil
	}
	clock, cpu, switches := make([][]time.Duration, len(l)), make([][]time.Duration, len(l)), make([][]int64, len(l))
	for range b.rounds {
		for i, s := range l {
			start := time.Now()
			u, err := s.run()
			if err != nil {
				return fmt.Errorf("%s: %w", title, err)
			}
			clock[i] = append(clock[i], time.Since(start))
			cpu[i] = append(cpu[i], u.cpu)
			switches[i] = append(switches[i], u.switches)
		}
	}
	for i, s := range l {
		t, c := median(clock[i]), median(cpu[i])
		fmt.Printf("%-44s %9.2f %9.2f", title+": "+s.name, ms(t), float64(median(clock[0]))/float64(t))
		if c > 0 {
			fmt.Printf(" %9.2f %9.2f %9d", ms(c), float64(median(cpu[0]))/float64(c), median(switches[i]))
		}
		fmt.Println()
	}
	return nil
}

// crowd measures 100 starts from 8 callers.
func (b *bench) crowd(title string, l ...func(id string) []string) error {
	if !b.want.MatchString(title) {
		return nil
	}
	var ours time.Duration
	for i, argv := range l {
		var wg sync.WaitGroup
		var mu sync.Mutex
		var failed error
		next := make(chan string)
		start := time.Now()
		for range 8 {
			wg.Go(func() {
				for id := range next {
					a := argv(id)
					if out, err := exec.Command(a[0], a[1:]...).CombinedOutput(); err != nil {
						mu.Lock()
						failed = fmt.Errorf("%v: %w: %s", a, err, out)
						mu.Unlock()
					}
				}
			})
		}
		for n := range 100 {
			next <- fmt.Sprintf("crowd%d-%d", i, n)
		}
		close(next)
		wg.Wait()
		if failed != nil {
			return failed
		}
		took := time.Since(start)
		if i == 0 {
			ours = took
		}
		fmt.Printf("%-44s %9.2f %9.2f\n", title+": "+filepath.Base(argv("x")[0]), ms(took), float64(ours)/float64(took))
	}
	return nil
}

func median[T cmp.Ordered](l []T) T {
	l = slices.Sorted(slices.Values(l))
	return l[len(l)/2]
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
