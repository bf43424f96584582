package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

// subject is a program under measurement.
type subject struct {
	name  string
	argv  []string
	stdin string   // file, "" for none
	env   []string // beside this process's
	fails bool     // its exit code is an answer, as of a rule that is broken
	// want is what the ratio of its clock to the peer's is to be at most; 0
	// asks nothing.
	want float64
}

// comparison is one row of work.
type comparison struct {
	work     string
	needs    archive
	subjects []subject
	peer     int      // the subject that the others are held against, -1 for none
	before   []string // is run once, not measured; nil for nothing
	clean    []string // is removed before each round of each subject
}

// result is what a subject took.
type result struct {
	wall, cpu time.Duration // medians
	memory    int64         // bytes, the largest
	rounds    int
	cut       bool // it was stopped when patience ended: what it takes is more
}

// measure lets the subjects take turns.
func measure(ctx context.Context, o options, c comparison) ([]result, error) {
	if c.before != nil {
		if _, err := once(ctx, o, subject{argv: c.before}); err != nil {
			return nil, fmt.Errorf("%s: %w", c.work, err)
		}
	}
	wall, cpu := make([][]time.Duration, len(c.subjects)), make([][]time.Duration, len(c.subjects))
	results := make([]result, len(c.subjects))
	spent := make([]time.Duration, len(c.subjects))
	for round := range o.rounds {
		for i, s := range c.subjects {
			if round > 0 && spent[i] > o.budget {
				continue
			}
			for _, path := range c.clean {
				if err := os.RemoveAll(path); err != nil {
					return nil, err
				}
			}
			r, err := once(ctx, o, s)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", c.work, err)
			}
			wall[i], cpu[i] = append(wall[i], r.wall), append(cpu[i], r.cpu)
			spent[i] += r.wall
			results[i].memory = max(results[i].memory, r.memory)
			results[i].cut = results[i].cut || r.cut
		}
	}
	for i := range results {
		results[i].wall, results[i].cpu, results[i].rounds = median(wall[i]), median(cpu[i]), len(wall[i])
	}
	return results, nil
}

// once runs a subject and says what it took, and what it waited for.
func once(ctx context.Context, o options, s subject) (result, error) {
	patient, stop := context.WithTimeout(ctx, o.patience)
	defer stop()
	cmd := exec.CommandContext(patient, s.argv[0], s.argv[1:]...)
	cmd.Env = append(os.Environ(), s.env...)
	var said bytes.Buffer
	cmd.Stderr = &said
	if s.stdin != "" {
		f, err := os.Open(s.stdin)
		if err != nil {
			return result{}, err
		}
		defer f.Close()
		cmd.Stdin = f
	}
	start := time.Now()
	err := cmd.Run()
	r := result{wall: time.Since(start)}
	_, ended := errors.AsType[*exec.ExitError](err)
	switch {
	case ctx.Err() != nil:
		return result{}, ctx.Err()
	case ended && patient.Err() != nil:
		r.cut = true
	case err != nil && !(ended && s.fails):
		return result{}, fmt.Errorf("%s: %w: %s", strings.Join(s.argv, " "), err, strings.TrimSpace(said.String()))
	}
	if u, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		r.memory = u.Maxrss << 10
	}
	r.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return r, nil
}

func median(l []time.Duration) time.Duration {
	l = slices.Sorted(slices.Values(l))
	return l[len(l)/2]
}
