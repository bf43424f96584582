package main

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
)

// machine says where the figures come from: processor, its instructions that
// matter to hashing and copying, cores, kernel.
func machine() string {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		info = nil
	}
	kernel, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		kernel = []byte("unknown")
	}
	model, flags := processor(info)
	return fmt.Sprintf("%s (%s), %d cores, %s %s, %s.", model, strings.Join(flags, " "), runtime.NumCPU(), runtime.GOOS, bytes.TrimSpace(kernel), runtime.Version())
}

// telling are the flags that change what hashing and copying cost.
var telling = []string{"ssse3", "avx2", "avx512f", "sha_ni", "bmi2", "erms", "fsrm", "vaes", "hypervisor", "sha2", "asimd"}

// processor reads /proc/cpuinfo (proc_cpuinfo(5)).
func processor(info []byte) (model string, flags []string) {
	model = runtime.GOARCH
	for line := range strings.Lines(string(info)) {
		key, value, _ := strings.Cut(line, ":")
		switch key = strings.TrimSpace(key); key {
		case "model name":
			model = strings.TrimSpace(value)
		case "flags", "Features":
			if flags != nil {
				continue // of the first core
			}
			for f := range strings.FieldsSeq(value) {
				if slices.Contains(telling, f) {
					flags = append(flags, f)
				}
			}
		}
	}
	return model, flags
}
