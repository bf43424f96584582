//go:build linux && uml

package uml

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// suites are the packages whose tests run inside, by their names there. Least is
// the number of tests that have to pass, so that a suite which runs nothing is
// noticed.
var suites = []struct {
	name, pkg string
	least     int
}{
	{"cgroup", "runtime/cgroup", 5},
	{"cgroup-devices", "runtime/cgroup/devices", 3},
	{"container", "runtime/container", 12},
	{"launch", "runtime/launch", 20},
	{"layerlab-runtime", "cmd/layerlab-runtime", 6},
	{"reexec", "runtime/reexec", 3},
	{"snapshot", "runtime/snapshot", 150},
}

// skipped are the tests that cannot run there, and why. Any other that is
// skipped fails.
// One more is added where there are no images to test with.
var skipped = map[string]string{
	"cgroup/TestDeviceRules": "the controller of cgroup v1 is what this machine has not",

	"layerlab-runtime/TestOwnersAreToldByName": "nobody has a name there",

	"launch/TestClocksOfATimeNamespace":                           "Debian builds User-Mode Linux without time namespaces",
	"launch/TestTheChildDoesThePlanAndNothingElse/user_namespace": noTracer,
	"launch/TestTheChildDoesThePlanAndNothingElse/host's_users":   noTracer,

	"snapshot/TestMountShowsTheImagesIDsShiftedAndWritesToTheUpper/lowerdir+/0_layers":   byFD,
	"snapshot/TestMountShowsTheImagesIDsShiftedAndWritesToTheUpper/lowerdir+/1_layers":   byFD,
	"snapshot/TestMountShowsTheImagesIDsShiftedAndWritesToTheUpper/lowerdir+/3_layers":   byFD,
	"snapshot/TestMountShowsTheImagesIDsShiftedAndWritesToTheUpper/lowerdir+/500_layers": byFD,
	"snapshot/TestMountWithoutUpperIsReadOnly/lowerdir+":                                 byFD,
}

// neverHere begins the names of tests that may need the i386 interface.
const neverHere = "launch/TestFilterHoldsForEveryWayIn/"

const noTracer = "ptrace(2) tells no registers in User-Mode Linux"

const byFD = "overlayfs takes layers by descriptor since Linux 6.13"

func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "boot" {
		fmt.Fprintln(os.Stderr, boot(os.Args[2:]))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// boot becomes the machine, behind a filter that refuses one question of its:
// for the extended state of the processor's registers. Linux 6.1 knows it up to
// AVX and fails on processors that have more; refused, it keeps to the older
// registers, and the programs inside are told not to use others.
func boot(argv []string) error {
	runtime.LockOSThread()
	const (
		load, jump, ret = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, unix.BPF_RET | unix.BPF_K
		xstate          = 0x202 // NT_X86_XSTATE
	)
	f := []unix.SockFilter{
		{Code: load, K: 0}, // number of the call
		{Code: jump, K: unix.SYS_PTRACE, Jf: 5},
		{Code: load, K: 16}, // first argument
		{Code: jump, K: unix.PTRACE_GETREGSET, Jf: 3},
		{Code: load, K: 32}, // third
		{Code: jump, K: xstate, Jf: 1},
		{Code: ret, K: 0x00050000 | uint32(unix.EIO)}, // SECCOMP_RET_ERRNO
		{Code: ret, K: 0x7fff0000},                    // SECCOMP_RET_ALLOW
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	p := unix.SockFprog{Len: uint16(len(f)), Filter: &f[0]}
	if err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&p)), 0, 0); err != nil {
		return err
	}
	return unix.Exec(argv[0], argv, os.Environ())
}

// machine makes the folder that is the machine's root.
func machine(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for _, d := range []string{"proc", "sys", "dev", "tmp", "run", "disk", "bin", "tests", "modules", "built", "etc"} {
		if err := os.Mkdir(filepath.Join(root, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	build := func(verb []string, out, pkg string) {
		args := append(append(verb, "-trimpath", "-o", filepath.Join(root, out)), "../../"+pkg)
		cmd := exec.Command("go", args...)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if b, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("go %s: %v: %s", strings.Join(args, " "), err, b)
		}
	}
	build([]string{"build"}, "init", "e2e/uml/init")
	for _, s := range suites {
		build([]string{"test", "-c"}, "tests/"+s.name+".test", s.pkg)
	}
	build([]string{"build"}, "built/layerlab-runtime", "cmd/layerlab-runtime")
	build([]string{"build"}, "built/probe", "cmd/layerlab-runtime/testdata/probe")
	module, err := filepath.Glob("/usr/lib/uml/modules/*/kernel/fs/overlayfs/overlay.ko")
	if err != nil || len(module) == 0 {
		t.Fatal("no overlay.ko: install user-mode-linux")
	}
	copyTo(t, module[0], filepath.Join(root, "modules/overlay.ko"))
	corpus := os.Getenv("LAYERLAB_CORPUS")
	if corpus == "" {
		corpus = "../../../shared/images"
	}
	if cases, _ := filepath.Glob(filepath.Join(corpus, "engines/*")); len(cases) > 0 {
		if err := os.CopyFS(filepath.Join(root, "corpus/engines"), os.DirFS(filepath.Join(corpus, "engines"))); err != nil {
			t.Fatal(err)
		}
	} else {
		t.Log("no corpus of images (set LAYERLAB_CORPUS): its test is skipped inside")
		skipped["snapshot/TestTheKernelShowsTheTreeForTheEngineCases"] = "there is no corpus of images"
	}
	copyTo(t, "/bin/busybox", filepath.Join(root, "bin/busybox"))
	names, err := exec.Command("/bin/busybox", "--list").Output()
	if err != nil {
		t.Fatalf("%v: install busybox-static", err)
	}
	for _, n := range strings.Fields(string(names)) {
		if n != "busybox" {
			if err := os.Symlink("busybox", filepath.Join(root, "bin", n)); err != nil {
				t.Fatal(err)
			}
		}
	}
	return root
}

func copyTo(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, b, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// outcome is what became of one test inside.
type outcome struct{ name, verdict string }

// suite is what became of one program.
type suite struct {
	tests  []outcome
	output strings.Builder
	code   string
}

var verdict = regexp.MustCompile(`^\s*--- (PASS|FAIL|SKIP): (\S+)`)

// read sorts what the machine prints by suites.
func read(r io.Reader, log io.Writer) (map[string]*suite, error) {
	all := map[string]*suite{}
	var s *suite
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		l := strings.TrimRight(lines.Text(), "\r")
		fmt.Fprintln(log, l)
		if f := strings.Fields(l); len(f) > 2 && f[0] == "INIT" {
			switch f[1] {
			case "begin":
				s = &suite{}
				all[f[2]] = s
			case "end":
				if s != nil {
					s.code = strings.Join(f[3:], " ")
				}
				s = nil
			}
			continue
		}
		if s == nil {
			continue
		}
		fmt.Fprintln(&s.output, l)
		if m := verdict.FindStringSubmatch(l); m != nil {
			s.tests = append(s.tests, outcome{m[2], m[1]})
		}
	}
	return all, lines.Err()
}

func TestOnAnotherKernel(t *testing.T) {
	root := machine(t)
	disk := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(disk, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(disk, 1<<30); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mkfs.ext4", "-q", "-F", disk).CombinedOutput(); err != nil {
		t.Fatalf("mkfs.ext4: %v: %s", err, out)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/proc/self/exe", "boot", "/usr/bin/linux.uml",
		"mem=1G", "rootfstype=hostfs", "rootflags="+root, "rw", "init=/init", "quiet", "cgroup_no_v1=all",
		"con=null", "con0=fd:0,fd:1", "ubd0="+disk, "GODEBUG=cpu.all=off", "GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX,-AVX2,-AVX512F,-AVX512VL,-AVX512BW,-ERMS,-RTM,-FMA,-BMI2")
	// Its memory is a file, which has to lie in memory.
	cmd.Env = append(os.Environ(), "TMPDIR=/dev/shm")
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	log := io.Discard
	if testing.Verbose() {
		log = os.Stdout
	}
	all, err := read(out, log)
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("the machine: %v", err)
	}
	for _, s := range suites {
		t.Run(s.name, func(t *testing.T) { judge(t, s.name, s.least, all[s.name]) })
	}
}

func judge(t *testing.T, name string, least int, s *suite) {
	if s == nil {
		t.Fatal("it never began")
	}
	count := map[string]int{}
	for _, o := range s.tests {
		count[o.verdict]++
		switch full := name + "/" + o.name; {
		case o.verdict == "FAIL":
			t.Errorf("%s failed", o.name)
		case o.verdict == "SKIP" && strings.HasPrefix(full, neverHere) && strings.Contains(full, "int_0x80"):
			t.Logf("%s is skipped: User-Mode Linux has no 32-bit programs", o.name)
		case o.verdict == "SKIP" && skipped[full] == "":
			t.Errorf("%s was skipped", o.name)
		case o.verdict == "SKIP":
			t.Logf("%s is skipped: %s", o.name, skipped[full])
		}
	}
	for full := range skipped {
		if suite, test, _ := strings.Cut(full, "/"); suite == name && !slices.Contains(s.tests, outcome{test, "SKIP"}) {
			t.Errorf("%s was to be skipped: strike it off the list", test)
		}
	}
	if s.code != "0" || count["PASS"] < least {
		t.Errorf("exit code %q, %d passed, want %d", s.code, count["PASS"], least)
	}
	t.Logf("%d passed, %d skipped", count["PASS"], count["SKIP"])
	if t.Failed() {
		t.Log(s.output.String())
	}
}
