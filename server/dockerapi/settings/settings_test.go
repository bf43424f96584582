package settings

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/moby/api/types/container"

	"github.com/layerlab/layerlab/server/labapi/wire"
)

func TestValuesThatCannotBeAreRefusedInDockersWords(t *testing.T) {
	for want, h := range map[string]container.HostConfig{
		"can't create 'AutoRemove' container with restart policy":                                     {AutoRemove: true, RestartPolicy: container.RestartPolicy{Name: "always"}},
		"invalid restart policy: maximum retry count can only be used with 'on-failure'":              {RestartPolicy: container.RestartPolicy{Name: "always", MaximumRetryCount: 1}},
		"invalid restart policy: maximum retry count cannot be negative":                              {RestartPolicy: container.RestartPolicy{Name: "on-failure", MaximumRetryCount: -1}},
		"unknown storage option: nonsense":                                                            {StorageOpt: map[string]string{"nonsense": "1"}},
		`invalid --security-opt 2: "nonsense" is not served by layerlab`:                              {SecurityOpt: []string{"nonsense"}},
		"unknown log opt 'nonsense' for json-file log driver":                                         {LogConfig: container.LogConfig{Config: map[string]string{"nonsense": "1"}}},
		"invalid volume specification: 'x'":                                                           {Binds: []string{"x"}},
		"invalid volume specification: 'v:/x:nonsense': invalid mode: nonsense":                       {Binds: []string{"v:/x:nonsense"}},
		"bind propagation shared is not served by layerlab: a container gets no mounts that are made": {Binds: []string{"/a:/x:shared"}},
		`invalid tmpfs option ["nonsense" "1"]`:                                                       {Tmpfs: map[string]string{"/t": "size=1m,nonsense=1"}},
		`invalid tmpfs option ["size"]`:                                                               {Tmpfs: map[string]string{"/t": "size"}},
	} {
		_, err := Read(&wire.CreateContainer{}, &h)
		if err == nil {
			_, err = Mounts(&container.Config{}, &h)
		}
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestMountsAreGatheredFromAllPlaces(t *testing.T) {
	got, err := Mounts(&container.Config{Volumes: map[string]struct{}{"/v": {}, "/b/": {}}}, &container.HostConfig{
		Binds: []string{"/host/:/b:ro", "vol:/n:nocopy"}, Tmpfs: map[string]string{"/t": "rw,size=1m", "/u": ""},
	})
	want := []wire.MountSpec{
		{Type: wire.MountBind, Source: "/host", Target: "/b", ReadOnly: true, MakeSource: true},
		{Type: wire.MountVolume, Source: "vol", Target: "/n", NoCopy: true},
		{Type: wire.MountTmpfs, Target: "/t", Options: []string{"rw", "size=1m"}},
		{Type: wire.MountTmpfs, Target: "/u"},
		{Type: wire.MountVolume, Target: "/v"},
	}
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Error(d, err)
	}
}
