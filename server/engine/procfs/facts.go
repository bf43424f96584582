//go:build linux

package procfs

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/layerlab/layerlab/runtime/plan"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// shownProcesses bounds the list of a container's processes.
const shownProcesses = 100

// Processes reads who the processes of a container are, at most 100 of them. One that ended
// meanwhile is left out.
func Processes(proc string, pids []int) []wire.Process {
	list := []wire.Process{}
	pids = slices.Sorted(slices.Values(pids))
	for _, pid := range pids[:min(len(pids), shownProcesses)] {
		status, err := os.ReadFile(filepath.Join(proc, strconv.Itoa(pid), "status"))
		if err != nil {
			continue
		}
		list = append(list, parseProcess(pid, status))
	}
	return list
}

// parseProcess reads name, numbers and user of proc_pid_status(5). NSpid lists
// the numbers of a process from this pid namespace down to its own.
func parseProcess(pid int, status []byte) wire.Process {
	p := wire.Process{Host: pid}
	for line := range strings.Lines(string(status)) {
		key, value, _ := strings.Cut(line, ":")
		fields := strings.Fields(value)
		switch {
		case key == "Name":
			p.Name = strings.TrimSpace(value)
		case key == "NSpid" && len(fields) > 1:
			p.Inside, _ = strconv.Atoi(fields[len(fields)-1])
		case key == "Uid" && len(fields) > 0:
			user, _ := strconv.ParseUint(fields[0], 10, 32)
			p.User = uint32(user)
		}
	}
	return p
}

// Facts reads the facts of a process from a mounted proc(5).
func Facts(proc string, pid int) (wire.Facts, error) {
	dir := filepath.Join(proc, strconv.Itoa(pid))
	read := func(name string) []byte { return File(filepath.Join(dir, name)) }
	status, err := os.ReadFile(filepath.Join(dir, "status"))
	if err != nil {
		return wire.Facts{}, err
	}
	f := wire.Facts{
		Pid:        pid,
		Namespaces: namespacesOf(dir, filepath.Join(proc, "self")),
		UIDMap:     parseIDMap(read("uid_map")),
		GIDMap:     parseIDMap(read("gid_map")),
		Mounts:     parseMounts(read("mountinfo")),
	}
	parseStatus(status, &f)
	controllers := parseCgroups(read("cgroup"))
	f.CgroupPath, f.CgroupValues = cgroupValues(controllers, parseHierarchies(File(filepath.Join(proc, "self", "mountinfo"))))
	return f, nil
}

// File reads a file of proc(5); what is absent is empty.
func File(path string) []byte {
	data, _ := os.ReadFile(path)
	return data
}

func namespacesOf(dir, self string) []wire.Namespace {
	list := []wire.Namespace{}
	for _, kind := range []string{"cgroup", "ipc", "mnt", "net", "pid", "user", "uts"} {
		link, err := os.Readlink(filepath.Join(dir, "ns", kind))
		if err != nil {
			continue
		}
		own, _ := os.Readlink(filepath.Join(self, "ns", kind))
		_, inode, _ := strings.Cut(link, "[")
		list = append(list, wire.Namespace{Type: kind, ID: strings.TrimSuffix(inode, "]"), Own: link != own})
	}
	return list
}

func parseIDMap(data []byte) []wire.IDMap {
	list := []wire.IDMap{}
	for line := range strings.Lines(string(data)) {
		var m wire.IDMap
		if n, _ := fmt.Sscan(line, &m.Container, &m.Host, &m.Count); n == 3 {
			list = append(list, m)
		}
	}
	return list
}

// parseMounts reads proc_pid_mountinfo(5).
func parseMounts(data []byte) []wire.Mount {
	list := []wire.Mount{}
	for line := range strings.Lines(string(data)) {
		before, after, ok := strings.Cut(strings.TrimSpace(line), " - ")
		b, a := strings.Fields(before), strings.Fields(after)
		if !ok || len(b) < 6 || len(a) < 2 {
			continue
		}
		m := wire.Mount{Target: unescape(b[4]), Type: a[0], Source: unescape(a[1]), Options: b[5]}
		if len(a) > 2 && a[2] != "" {
			m.Options += "," + a[2]
		}
		list = append(list, m)
	}
	return list
}

// unescape undoes the octal escapes of space, tab, newline and backslash.
func unescape(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

// parseStatus reads capabilities and seccomp of proc_pid_status(5).
func parseStatus(data []byte, f *wire.Facts) {
	f.Capabilities = map[string][]string{}
	sets := map[string]string{
		"CapInh": "inheritable", "CapPrm": "permitted", "CapEff": "effective", "CapBnd": "bounding", "CapAmb": "ambient",
	}
	lines := bufio.NewScanner(bytes.NewReader(data))
	for lines.Scan() {
		key, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimSpace(value)
		switch key {
		case "NoNewPrivs":
			f.NoNewPrivs = value == "1"
		case "Seccomp":
			f.Seccomp = map[string]string{"0": "disabled", "1": "strict", "2": "filter"}[value]
		case "Seccomp_filters":
			f.SeccompFilter, _ = strconv.Atoi(value)
		default:
			if set, ok := sets[key]; ok {
				f.Capabilities[set] = capNames(value)
			}
		}
	}
}

func capNames(hex string) []string {
	bits, err := strconv.ParseUint(hex, 16, 64)
	list := []string{}
	if err != nil {
		return list
	}
	for i, name := range plan.CapNames() {
		if bits&(1<<i) != 0 {
			list = append(list, name)
		}
	}
	return list
}

// parseCgroups reads proc_pid_cgroup(5): controller → path; "" is cgroup2.
func parseCgroups(data []byte) map[string]string {
	paths := map[string]string{}
	for line := range strings.Lines(string(data)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		for name := range strings.SplitSeq(parts[1], ",") {
			paths[name] = parts[2]
		}
	}
	return paths
}

// parseHierarchies reads where cgroups are mounted: controller → folder.
func parseHierarchies(mountinfo []byte) map[string]string {
	where := map[string]string{}
	for _, m := range parseMounts(mountinfo) {
		switch m.Type {
		case "cgroup2":
			where[""] = m.Target
		case "cgroup":
			for option := range strings.SplitSeq(m.Options, ",") {
				where[option] = m.Target // "rw" and the like are no controllers: nobody asks
			}
		}
	}
	return where
}

// cgroupValues reads the limits and counts that a page can show, from
// whichever of cgroup v1 and v2 has them.
func cgroupValues(paths, where map[string]string) (string, []wire.CgroupValue) {
	files := []struct{ controller, name string }{
		{"pids", "pids.max"},
		{"pids", "pids.current"},
		{"memory", "memory.limit_in_bytes"},
		{"memory", "memory.usage_in_bytes"},
		{"memory", "memory.max"},
		{"memory", "memory.current"},
		{"cpu", "cpu.cfs_quota_us"},
		{"cpu", "cpu.cfs_period_us"},
		{"cpu", "cpu.shares"},
		{"cpu", "cpu.max"},
		{"cpu", "cpu.weight"},
		{"cpuacct", "cpuacct.usage"},
		{"", "cpu.stat"}, // cgroup2's own: its first line is the time used
	}
	path := paths["pids"]
	if path == "" {
		path = paths[""]
	}
	list := []wire.CgroupValue{}
	for _, file := range files {
		for _, controller := range []string{file.controller, ""} {
			mount, mounted := where[controller]
			at, member := paths[controller]
			if !mounted || !member {
				continue
			}
			data, err := os.ReadFile(filepath.Join(mount, at, file.name))
			if err != nil {
				continue
			}
			line, _, _ := strings.Cut(string(data), "\n")
			list = append(list, wire.CgroupValue{Name: file.name, Value: line})
			break
		}
	}
	return path, list
}
