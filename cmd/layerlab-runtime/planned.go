package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/layerlab/layerlab/imagecore/fault"
	"github.com/layerlab/layerlab/runtime/config"
	"github.com/layerlab/layerlab/runtime/plan"
)

// planned prints every step of starting a bundle. It starts nothing, needs no
// rights and works on any system; hierarchies are those of cgroup v1 on the host
// that it is for.
func planned(bundle string, asJSON bool, hierarchies []string, out io.Writer) error {
	raw, err := os.ReadFile(filepath.Join(bundle, "config.json"))
	if errors.Is(err, os.ErrNotExist) {
		return fault.New(fault.ErrNotFound, "no-config", "JSON specification file config.json not found in "+bundle, "bundle", bundle)
	}
	if err != nil {
		return err
	}
	s, err := config.Spec(raw)
	if err != nil {
		return fmt.Errorf("read config.json: %w", err)
	}
	isFile := func(p string) bool {
		if !filepath.IsAbs(p) {
			p = filepath.Join(bundle, p)
		}
		st, err := os.Stat(p)
		return err == nil && !st.IsDir()
	}
	p, err := plan.For(s, plan.Options{IsFile: isFile, Hierarchies: hierarchies})
	if err != nil {
		return err
	}
	if asJSON {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		return e.Encode(p)
	}
	for i, st := range p.Steps {
		fmt.Fprintf(out, "%d. %s: %s\n   why: %s (%s)\n   without: %s\n", i+1, st.Where, st.Words, st.Reason, st.Man, st.Without)
		for _, c := range st.Calls {
			fmt.Fprintf(out, "     %s\n", c)
		}
		if st.Code == "wait-for-parent" {
			fmt.Fprintf(out, "     (the child was born by clone(%s))\n", p.Clone)
		}
	}
	return nil
}

// ticked prints what came of each step.
func ticked(out io.Writer, p *plan.Plan, trace []plan.Result) {
	done := map[int]plan.Result{}
	for _, r := range trace {
		done[r.Step] = r
	}
	for i, s := range p.Steps {
		r, ok := done[i]
		switch {
		case !ok:
			fmt.Fprintf(out, "  --          %s: %s\n", s.Where, s.Words)
		case !r.OK:
			fmt.Fprintf(out, "FAIL %6.3f ms %s: %s: %s: %s\n", float64(r.Took)/1e6, s.Where, s.Words, s.Call, r.Errno)
		default:
			fmt.Fprintf(out, "  ok %6.3f ms %s: %s\n", float64(r.Took)/1e6, s.Where, s.Words)
		}
	}
}
