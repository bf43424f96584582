package plan

import (
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// capNames are the capabilities by number (capabilities(7), uapi/linux/capability.h).
var capNames = strings.Fields(`CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_FSETID CAP_KILL
CAP_SETGID CAP_SETUID CAP_SETPCAP CAP_LINUX_IMMUTABLE CAP_NET_BIND_SERVICE CAP_NET_BROADCAST CAP_NET_ADMIN
CAP_NET_RAW CAP_IPC_LOCK CAP_IPC_OWNER CAP_SYS_MODULE CAP_SYS_RAWIO CAP_SYS_CHROOT CAP_SYS_PTRACE CAP_SYS_PACCT
CAP_SYS_ADMIN CAP_SYS_BOOT CAP_SYS_NICE CAP_SYS_RESOURCE CAP_SYS_TIME CAP_SYS_TTY_CONFIG CAP_MKNOD CAP_LEASE
CAP_AUDIT_WRITE CAP_AUDIT_CONTROL CAP_SETFCAP CAP_MAC_OVERRIDE CAP_MAC_ADMIN CAP_SYSLOG CAP_WAKE_ALARM
CAP_BLOCK_SUSPEND CAP_AUDIT_READ CAP_PERFMON CAP_BPF CAP_CHECKPOINT_RESTORE`)

// CapNames returns the names of the capabilities, each at its number.
func CapNames() []string { return slices.Clone(capNames) }

// capSets are the five sets as bits.
type capSets struct{ bounding, effective, permitted, inheritable, ambient uint64 }

func (b *builder) capabilities(p *specs.Process) *capSets {
	if p.Capabilities == nil {
		return nil
	}
	c := p.Capabilities
	return &capSets{
		bounding: b.capMask(c.Bounding), effective: b.capMask(c.Effective), permitted: b.capMask(c.Permitted),
		inheritable: b.capMask(c.Inheritable), ambient: b.capMask(c.Ambient),
	}
}

// capMask ignores what this kernel does not know, as runtime-spec asks of a
// capability that cannot be granted.
func (b *builder) capMask(names []string) uint64 {
	var m uint64
	for _, n := range names {
		i := slices.Index(capNames, n)
		if i < 0 {
			if b.err == nil {
				b.err = invalid("process.capabilities", "names the unknown "+strconv.Quote(n))
			}
			continue
		}
		if i <= b.lastCap() {
			m |= 1 << i
		}
	}
	return m
}

func (b *builder) lastCap() int {
	if b.opt.LastCap > 0 {
		return b.opt.LastCap
	}
	return 40
}

// dropBounding removes from the bounding set what no program may ever gain.
func (b *builder) dropBounding(c *capSets) {
	if c == nil {
		return
	}
	var calls []Call
	var names []string
	for i := range b.lastCap() + 1 {
		if c.bounding&(1<<i) == 0 {
			name := "CAP_" + strconv.Itoa(i)
			if i < len(capNames) {
				name = capNames[i]
			}
			names = append(names, name)
			calls = append(calls, call("prctl", flags("PR_CAPBSET_DROP"), num(i), num(0), num(0), num(0)))
		}
	}
	b.step(Child, "drop-bounding", []string{"capabilities", strings.Join(names, " ")}, 0, calls...)
}

// user changes to the command's user and sets its capabilities.
func (b *builder) user(p *specs.Process, c *capSets) {
	u := p.User
	if c != nil {
		b.step(Child, "keep-capabilities", nil, 0, call("prctl", flags("PR_SET_KEEPCAPS"), num(1), num(0), num(0), num(0)))
	}
	groups := call("setgroups", num(0), null())
	if n := len(u.AdditionalGids); n > 0 {
		f := make([]Field, n)
		for i, g := range u.AdditionalGids {
			f[i] = field("group", 4, unsigned(uint64(g)))
		}
		groups = call("setgroups", num(n), record(f...))
	} else {
		// A user namespace of an ordinary user denies setgroups.
		groups = groups.ignore("EPERM")
	}
	id := func(n uint32) Arg { return unsigned(uint64(n)) }
	b.step(Child, "user", []string{"uid", strconv.FormatUint(uint64(u.UID), 10), "gid", strconv.FormatUint(uint64(u.GID), 10)}, 2,
		groups,
		call("setresgid", id(u.GID), id(u.GID), id(u.GID)),
		call("setresuid", id(u.UID), id(u.UID), id(u.UID)))
	if c == nil {
		return
	}
	lo, hi := func(m uint64) Arg { return unsigned(m & 0xffffffff) }, func(m uint64) Arg { return unsigned(m >> 32) }
	header := record(field("version", 4, flags("_LINUX_CAPABILITY_VERSION_3")), field("pid", 4, num(0)))
	data := record(
		field("effective", 4, lo(c.effective)), field("permitted", 4, lo(c.permitted)), field("inheritable", 4, lo(c.inheritable)),
		field("effective", 4, hi(c.effective)), field("permitted", 4, hi(c.permitted)), field("inheritable", 4, hi(c.inheritable)))
	b.step(Child, "capabilities", []string{"effective", capText(c.effective)}, 0, call("capset", header, data))
	ambient := []Call{call("prctl", flags("PR_CAP_AMBIENT"), flags("PR_CAP_AMBIENT_CLEAR_ALL"), num(0), num(0), num(0))}
	for i := range b.lastCap() + 1 {
		// Raising what is not both permitted and inheritable is EPERM, and runc
		// goes on without it.
		if c.ambient&(1<<i) != 0 {
			ambient = append(ambient, call("prctl", flags("PR_CAP_AMBIENT"), flags("PR_CAP_AMBIENT_RAISE"), num(i), num(0), num(0)).ignore("EPERM"))
		}
	}
	b.step(Child, "ambient", []string{"capabilities", capText(c.ambient)}, -1, ambient...)
}

func capText(m uint64) string {
	var l []string
	for i, n := range capNames {
		if m&(1<<i) != 0 {
			l = append(l, n)
		}
	}
	if len(l) == 0 {
		return "none"
	}
	return strings.Join(l, " ")
}
