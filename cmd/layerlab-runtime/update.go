//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"

	"github.com/docker/go-units"
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/layerlab/layerlab/imagecore/fault"
)

// limit is an option of update that stands for one number of linux.resources.
type limit struct {
	name, about string
	bytes       bool // may have a unit: 512M
	set         func(r *specs.LinuxResources, n int64)
}

func limits() []limit {
	return []limit{
		{"memory", "bytes of memory", true, func(r *specs.LinuxResources, n int64) { r.Memory.Limit = &n }},
		{"memory-reservation", "bytes of memory that are kept", true, func(r *specs.LinuxResources, n int64) { r.Memory.Reservation = &n }},
		{"memory-swap", "bytes of memory and swap together, -1 for no limit", true, func(r *specs.LinuxResources, n int64) { r.Memory.Swap = &n }},
		{"cpu-quota", "microseconds of processor in a period", false, func(r *specs.LinuxResources, n int64) { r.CPU.Quota = &n }},
		{"cpu-period", "microseconds of a period", false, func(r *specs.LinuxResources, n int64) { r.CPU.Period = natural(n) }},
		{"cpu-burst", "microseconds of processor that may be saved up", false, func(r *specs.LinuxResources, n int64) { r.CPU.Burst = natural(n) }},
		{"cpu-share", "relative weight", false, func(r *specs.LinuxResources, n int64) { r.CPU.Shares = natural(n) }},
		{"cpu-idle", "1: runs only when nothing else wants to", false, func(r *specs.LinuxResources, n int64) { r.CPU.Idle = &n }},
		{"cpu-rt-period", "microseconds of a period of realtime", false, func(r *specs.LinuxResources, n int64) { r.CPU.RealtimePeriod = natural(n) }},
		{"cpu-rt-runtime", "microseconds of realtime in a period", false, func(r *specs.LinuxResources, n int64) { r.CPU.RealtimeRuntime = &n }},
		{"blkio-weight", "relative weight at the disk, 10 to 1000", false, func(r *specs.LinuxResources, n int64) {
			weight := uint16(min(max(n, 0), math.MaxUint16)) // which the kernel refuses
			r.BlockIO = &specs.LinuxBlockIO{Weight: &weight}
		}},
		{"pids-limit", "number of processes", false, func(r *specs.LinuxResources, n int64) { r.Pids = &specs.LinuxPids{Limit: &n} }},
	}
}

func natural(n int64) *uint64 { u := uint64(n); return &u }

// parse reads the number of a limit.
func (l *limit) parse(text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil && l.bytes {
		n, err = units.RAMInBytes(text)
	}
	if err != nil {
		return 0, fault.New(fault.ErrInvalid, "bad-number", fmt.Sprintf("%q is not a number", text), "text", text)
	}
	return n, nil
}

// update changes the limits that are named and leaves the others. As with runc, a
// file of limits stands for all options.
func update(_ context.Context, g *global, args []string) error {
	var file, cpus, mems, l3, bandwidth string
	fs := newFlags("update", g.errOut)
	bothString(fs, &file, "resources", "r", "", "file with limits as JSON (runtime-spec linux.resources), - for standard input")
	all := limits()
	given := make([]string, len(all))
	for i, l := range all {
		fs.StringVar(&given[i], l.name, "", l.about)
	}
	fs.StringVar(&cpus, "cpuset-cpus", "", "processors that may be used")
	fs.StringVar(&mems, "cpuset-mems", "", "memory nodes that may be used")
	fs.StringVar(&l3, "l3-cache-schema", "", "refused: there is no resctrl")
	fs.StringVar(&bandwidth, "mem-bw-schema", "", "refused: there is no resctrl")
	if err := parse(fs, args, 1, 1, "ID"); err != nil {
		return err
	}
	if l3+bandwidth != "" {
		return fault.New(fault.ErrUnsupported, "unsupported-setting", "--l3-cache-schema and --mem-bw-schema are not supported", "setting", "linux.intelRdt")
	}
	c, err := g.store.Load(fs.Arg(0))
	if err != nil {
		return err
	}
	r := &specs.LinuxResources{}
	if file != "" {
		if r, err = readResources(file); err != nil {
			return err
		}
	} else {
		r.Memory, r.CPU = &specs.LinuxMemory{}, &specs.LinuxCPU{Cpus: cpus, Mems: mems}
		for i, l := range all {
			if given[i] == "" {
				continue
			}
			n, err := l.parse(given[i])
			if err != nil {
				return err
			}
			l.set(r, n)
		}
	}
	group, err := c.Group()
	if err != nil {
		return err
	}
	return group.Update(r)
}

// maxResources is how long a file of limits may be, in bytes.
const maxResources = 1 << 20

// readResources reads linux.resources from a file, - for standard input.
func readResources(path string) (*specs.LinuxResources, error) {
	in := os.Stdin
	if path != "-" {
		var err error
		if in, err = os.Open(path); err != nil {
			return nil, err
		}
		defer in.Close()
	}
	var r specs.LinuxResources
	if err := json.NewDecoder(io.LimitReader(in, maxResources)).Decode(&r); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return &r, nil
}
