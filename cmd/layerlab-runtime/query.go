//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/layerlab/layerlab/imagecore/fault"
	"github.com/layerlab/layerlab/runtime/container"
)

// described is a container as state and list print it, with runc's fields.
type described struct {
	specs.State
	Rootfs  string    `json:"rootfs"`
	Created time.Time `json:"created"`
	Owner   string    `json:"owner"`
}

func describe(c *container.Container) described {
	return described{c.OCI(), c.Spec.Root.Path, c.Created, owner(c.Owner)}
}

// owner is the user's name, "#1000" of one that the host does not know.
func owner(uid string) string {
	if u, err := user.LookupId(uid); err == nil {
		return u.Username
	}
	return "#" + uid
}

func (g *global) json1(v any) error {
	e := json.NewEncoder(g.out)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

func state(_ context.Context, g *global, args []string) error {
	fs := newFlags("state", g.errOut)
	if err := parse(fs, args, 1, 1, "ID"); err != nil {
		return err
	}
	c, err := g.store.Load(fs.Arg(0))
	if err != nil {
		return err
	}
	return g.json1(describe(c))
}

func list(_ context.Context, g *global, args []string) error {
	var format string
	var quiet bool
	fs := newFlags("list", g.errOut)
	bothString(fs, &format, "format", "f", "table", "table or json")
	bothBool(fs, &quiet, "quiet", "q", "only the ids")
	if err := parse(fs, args, 0, 0, ""); err != nil {
		return err
	}
	l, err := g.store.List()
	if err != nil {
		return err
	}
	if format == "json" {
		all := []described{}
		for _, c := range l {
			all = append(all, describe(c))
		}
		return json.NewEncoder(g.out).Encode(all)
	}
	if quiet {
		for _, c := range l {
			fmt.Fprintln(g.out, c.ID)
		}
		return nil
	}
	w := tabwriter.NewWriter(g.out, 12, 1, 3, ' ', 0)
	fmt.Fprint(w, "ID\tPID\tSTATUS\tBUNDLE\tCREATED\tOWNER\n")
	for _, c := range l {
		st := c.OCI()
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t%s\n", c.ID, st.Pid, st.Status, c.Bundle, c.Created.Format(time.RFC3339Nano), owner(c.Owner))
	}
	return w.Flush()
}

func ps(ctx context.Context, g *global, args []string) error {
	var format string
	fs := newFlags("ps", g.errOut)
	bothString(fs, &format, "format", "f", "table", "table or json")
	if err := parse(fs, args, 1, -1, "ID [options of ps]"); err != nil {
		return err
	}
	c, err := g.store.Load(fs.Arg(0))
	if err != nil {
		return err
	}
	group, err := c.Group()
	if err != nil {
		return err
	}
	pids, err := group.Pids()
	if err != nil {
		return err
	}
	slices.Sort(pids)
	if format == "json" {
		return json.NewEncoder(g.out).Encode(pids)
	}
	options := fs.Args()[1:]
	if len(options) == 0 {
		options = []string{"-ef"}
	}
	out, err := exec.CommandContext(ctx, "ps", options...).Output()
	if err != nil {
		return fmt.Errorf("ps %s: %w", strings.Join(options, " "), err)
	}
	lines := strings.Split(strings.TrimRight(string(out), "\n"), "\n")
	column := slices.Index(strings.Fields(lines[0]), "PID")
	if column < 0 {
		return fmt.Errorf("ps %s prints no PID column", strings.Join(options, " "))
	}
	fmt.Fprintln(g.out, lines[0])
	for _, l := range lines[1:] {
		f := strings.Fields(l)
		if len(f) <= column {
			continue
		}
		if pid, err := strconv.Atoi(f[column]); err == nil && slices.Contains(pids, pid) {
			fmt.Fprintln(g.out, l)
		}
	}
	return nil
}

func events(ctx context.Context, g *global, args []string) error {
	var once bool
	var interval time.Duration
	fs := newFlags("events", g.errOut)
	fs.BoolVar(&once, "stats", false, "print once")
	fs.DurationVar(&interval, "interval", 5*time.Second, "time between two lines")
	if err := parse(fs, args, 1, 1, "ID"); err != nil {
		return err
	}
	if interval <= 0 {
		return fault.New(fault.ErrInvalid, "bad-number", "duration interval must be greater than 0", "text", interval.String())
	}
	c, err := g.store.Load(fs.Arg(0))
	if err != nil {
		return err
	}
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		if c.Status() == specs.StateStopped {
			return fault.New(fault.ErrConflict, "container-stopped", fmt.Sprintf("container with id %s is not running", c.ID))
		}
		group, err := c.Group()
		if err != nil {
			return err
		}
		s, err := group.Stats()
		if err != nil {
			return err
		}
		var line struct {
			Type string `json:"type"`
			ID   string `json:"id"`
			Data any    `json:"data"`
		}
		line.Type, line.ID, line.Data = "stats", c.ID, s
		if err := json.NewEncoder(g.out).Encode(line); err != nil || once {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
