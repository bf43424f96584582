//go:build linux

package seccomp

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/layerlab/layerlab/imagecore/fault"
)

// table is the system calls of one architecture.
type table struct {
	audit   uint32
	numbers map[string]int // by name
}

// parseTable reads the text of a table, "read 0 write 1 …". It is parsed only
// when a profile is compiled, so that a program that compiles none pays nothing
// at its start.
func parseTable(audit uint32, text string) table {
	f := strings.Fields(text)
	m := make(map[string]int, len(f)/2)
	for i := 0; i+1 < len(f); i += 2 {
		n, err := strconv.Atoi(f[i+1])
		if err != nil {
			continue // a test reads every table
		}
		m[f[i]] = n
	}
	return table{audit: audit, numbers: m}
}

func nativeTable(goarch string) (table, error) {
	switch goarch {
	case "amd64":
		return parseTable(auditX86_64, callsX86_64), nil
	case "arm64":
		return parseTable(auditAArch64, callsAArch64), nil
	}
	return table{}, fault.New(fault.ErrUnsupported, "unsupported-setting",
		fmt.Sprintf("seccomp filters are not supported on %s", goarch), "setting", "linux.seccomp on "+goarch)
}

// tableOf returns the table of a further architecture that this machine can run.
func tableOf(a specs.Arch, goarch string) (table, bool) {
	switch {
	case a == specs.ArchX86 && goarch == "amd64":
		return parseTable(auditI386, callsI386), true
	case a == specs.ArchARM && goarch == "arm64":
		return parseTable(auditARM, callsARM), true
	}
	return table{}, false
}
