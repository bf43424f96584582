//go:build linux

package devices

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/layerlab/layerlab/imagecore/fault"
)

// request is one access to a device.
type request struct {
	kind         uint32
	access       uint32
	major, minor uint32
}

// interpret runs a program as the kernel does. Loops and what it does not know
// are errors.
func interpret(p []Instruction, r request) (uint64, error) {
	ctx := [3]uint32{r.access<<16 | r.kind, r.major, r.minor}
	var reg [11]uint64
	for pc, steps := 0, 0; pc < len(p); pc++ {
		if steps++; steps > len(p) {
			return 0, errors.New("the program loops")
		}
		i := p[pc]
		switch i.Code {
		case loadWord:
			if i.Src != context || i.Off%4 != 0 || i.Off > 8 {
				return 0, fmt.Errorf("load %+v", i)
			}
			reg[i.Dst] = uint64(ctx[i.Off/4])
		case move:
			reg[i.Dst] = reg[i.Src]
		case moveImm:
			reg[i.Dst] = uint64(int64(i.Imm))
		case andImm:
			reg[i.Dst] &= uint64(int64(i.Imm))
		case shiftImm:
			reg[i.Dst] >>= i.Imm
		case jumpEqual:
			if reg[i.Dst] == uint64(int64(i.Imm)) {
				pc += int(i.Off)
			}
		case jumpNot:
			if reg[i.Dst] != uint64(int64(i.Imm)) {
				pc += int(i.Off)
			}
		case exit:
			return reg[0], nil
		default:
			return 0, fmt.Errorf("instruction %+v", i)
		}
	}
	return 0, errors.New("the program runs off its end")
}

// means says what the rules mean, by reading them from top to bottom.
func means(rules []Rule, r request) bool {
	for _, bit := range []struct {
		mask uint32
		name string
	}{{accessRead, "r"}, {accessWrite, "w"}, {accessMknod, "m"}} {
		if r.access&bit.mask == 0 {
			continue
		}
		allowed := false
		for _, x := range rules {
			kindFits := x.Type == "" || x.Type == "a" || x.Type == map[uint32]string{typeBlock: "b", typeChar: "c"}[r.kind]
			if kindFits && (x.Major < 0 || x.Major == int64(r.major)) && (x.Minor < 0 || x.Minor == int64(r.minor)) &&
				(x.Access == "" || strings.Contains(x.Access, bit.name)) {
				allowed = x.Allow
			}
		}
		if !allowed {
			return false
		}
	}
	return true
}

func TestProgramsMeanTheirRules(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	pick := func(l ...string) string { return l[r.IntN(len(l))] }
	n := 0
	for range 300 {
		var rules []Rule
		for range r.IntN(8) {
			rules = append(rules, Rule{
				Allow: r.IntN(2) == 0, Type: pick("", "a", "b", "c", "c"), Access: pick("", "r", "w", "m", "rw", "rwm", "wm"),
				Major: int64(r.IntN(4)) - 1, Minor: int64(r.IntN(4)) - 1,
			})
		}
		p, err := Program(rules)
		if err != nil {
			t.Fatal(err)
		}
		for kind := uint32(typeBlock); kind <= typeChar; kind++ {
			for access := uint32(1); access <= accessAll; access++ {
				for dev := range uint32(16) {
					q := request{kind, access, dev / 4, dev % 4}
					got, err := interpret(p, q)
					if err != nil || got > 1 || (got == 1) != means(rules, q) {
						t.Fatalf("%+v of %+v: %d %v", q, rules, got, err)
					}
					n++
				}
			}
		}
	}
	t.Logf("%d requests", n)
}

func TestRulesThatAreRefused(t *testing.T) {
	for _, r := range []Rule{{Type: "p"}, {Access: "rx"}, {Major: 1 << 32}} {
		if _, err := Program([]Rule{r}); !errors.Is(err, fault.ErrInvalid) {
			t.Errorf("%+v: %v", r, err)
		}
	}
}
