//go:build linux

package launch

import (
	"context"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// BenchmarkLaunch runs a container as the server makes it, filter, masks and
// seven namespaces included, to its end.
func BenchmarkLaunch(b *testing.B) {
	needRoot(b)
	s := serverSpec(b, rootfs(b), "inside:true")
	for name, change := range map[string]func(s *specs.Spec){
		"server": func(*specs.Spec) {},
		"no_cgroup_mount": func(s *specs.Spec) {
			s.Mounts = s.Mounts[:len(s.Mounts)-1]
		},
	} {
		b.Run(name, func(b *testing.B) {
			c := *s
			change(&c)
			for b.Loop() {
				p, err := Create(context.Background(), Config{Spec: &c, Rootfs: -1, Stdio: [3]int{-1, -1, -1}})
				if err != nil {
					b.Fatal(err)
				}
				if err := p.Start(); err != nil {
					b.Fatal(err)
				}
				p.Wait()
				p.Close()
			}
		})
	}
}

// BenchmarkExec runs a further process in a container to its end.
func BenchmarkExec(b *testing.B) {
	needRoot(b)
	s := serverSpec(b, rootfs(b))
	p, end := waiting(b, s)
	defer end()
	x := *s.Process
	x.Args = []string{"/bin/probe", "inside:true"}
	for b.Loop() {
		e, err := Exec(context.Background(), p, &x, ExecConfig{Stdio: [3]int{-1, -1, -1}})
		if err != nil {
			b.Fatal(err)
		}
		e.Wait()
		e.Close()
	}
}
