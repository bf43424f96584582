//go:build linux

package seccomp

import (
	"fmt"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/layerlab/layerlab/imagecore/fault"
)

// table is the system calls of one architecture: a text "read 0 write 1 …" and
// where in it each name stands, by its hash. Making the index reads the text
// once and allocates nothing but itself; a map took 0.2 ms of a start.
type table struct {
	audit uint32
	text  string
	slots *[1 << slotBits]uint16 // offset in text plus one, 0: free
}

// slotBits leaves more than half of the slots free: an architecture has about
// 480 calls, and a test looks for each of them.
const slotBits = 10

func index(audit uint32, text string) table {
	t := table{audit: audit, text: text, slots: new([1 << slotBits]uint16)}
	for i := 0; i < len(text); {
		end := i
		h := uint32(hashSeed)
		for ; text[end] != ' '; end++ {
			h = (h ^ uint32(text[end])) * hashPrime
		}
		at := slot(h)
		for t.slots[at] != 0 {
			at = (at + 1) % uint32(len(t.slots))
		}
		t.slots[at] = uint16(i + 1)
		for i = end + 1; i < len(text) && text[i] > ' '; i++ { // its number
		}
		i++ // a space or the end of a line
	}
	return t
}

// The hash is FNV-1a with its upper bits mixed in.
const hashSeed, hashPrime = 2166136261, 16777619

func slot(h uint32) uint32 { return (h ^ h>>slotBits ^ h>>(2*slotBits)) % (1 << slotBits) }

// number returns the number of a call, and whether there is one.
func (t table) number(name string) (int, bool) {
	h := uint32(hashSeed)
	for i := range len(name) {
		h = (h ^ uint32(name[i])) * hashPrime
	}
	for at := slot(h); t.slots[at] != 0; at = (at + 1) % uint32(len(t.slots)) {
		rest := t.text[t.slots[at]-1:]
		if len(rest) <= len(name) || rest[:len(name)] != name || rest[len(name)] != ' ' {
			continue
		}
		nr := 0
		for _, c := range []byte(rest[len(name)+1:]) {
			if c < '0' || c > '9' {
				break
			}
			nr = nr*10 + int(c-'0')
		}
		return nr, true
	}
	return 0, false
}

func nativeTable(goarch string) (table, error) {
	switch goarch {
	case "amd64":
		return index(auditX86_64, callsX86_64), nil
	case "arm64":
		return index(auditAArch64, callsAArch64), nil
	}
	return table{}, fault.New(fault.ErrUnsupported, "unsupported-setting",
		fmt.Sprintf("seccomp filters are not supported on %s", goarch), "setting", "linux.seccomp on "+goarch)
}

// tableOf returns the table of a further architecture that this machine can run.
func tableOf(a specs.Arch, goarch string) (table, bool) {
	switch {
	case a == specs.ArchX86 && goarch == "amd64":
		return index(auditI386, callsI386), true
	case a == specs.ArchARM && goarch == "arm64":
		return index(auditARM, callsARM), true
	}
	return table{}, false
}

// knownArch tells the names of runtime-spec from others. A machine only ever
// runs programs of its own architectures, so the names of others change nothing.
func knownArch(a specs.Arch) bool {
	switch a {
	case specs.ArchX86, specs.ArchX86_64, specs.ArchX32, specs.ArchARM, specs.ArchAARCH64,
		specs.ArchMIPS, specs.ArchMIPS64, specs.ArchMIPS64N32, specs.ArchMIPSEL, specs.ArchMIPSEL64, specs.ArchMIPSEL64N32,
		specs.ArchPPC, specs.ArchPPC64, specs.ArchPPC64LE, specs.ArchS390, specs.ArchS390X,
		specs.ArchPARISC, specs.ArchPARISC64, specs.ArchRISCV64, specs.ArchLOONGARCH64, specs.ArchM68K, specs.ArchSH, specs.ArchSHEB:
		return true
	}
	return false
}
