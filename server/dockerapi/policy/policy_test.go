package policy

import (
	"errors"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/network"
)

// TestEveryFieldIsHonouredOrRefused sets each field of the types in turn: what
// no line of the tables knows must be refused under its own name.
func TestEveryFieldIsHonouredOrRefused(t *testing.T) {
	count := 0
	for _, c := range []struct {
		prefix string
		of     reflect.Type
		fields map[string]verdict
	}{
		{"Config", reflect.TypeFor[container.Config](), configFields()},
		{"HostConfig", reflect.TypeFor[container.HostConfig](), allHostFields()},
	} {
		known := map[string]bool{}
		for _, f := range reflect.VisibleFields(c.of) {
			if f.Anonymous {
				continue
			}
			known[f.Name] = true
			v := reflect.New(c.of).Elem()
			v.FieldByIndex(f.Index).Set(filled(f.Type))
			var err error
			if c.prefix == "Config" {
				config := v.Interface().(container.Config)
				err = Check(&config, nil, nil)
			} else {
				host := v.Interface().(container.HostConfig)
				err = Check(nil, &host, nil)
			}
			refusal, refused := errors.AsType[*Refusal](err)
			if refused == c.fields[f.Name].honoured || refused && refusal.Field != c.prefix+"."+f.Name {
				t.Errorf("%s.%s: %v", c.prefix, f.Name, err)
			}
			count++
		}
		for name := range c.fields {
			if !known[name] {
				t.Errorf("%s has no field %s", c.prefix, name)
			}
		}
	}
	t.Logf("%d fields", count)
}

// TestWhatNewerTypesAddIsRefused: a field that the tables do not know, wherever
// the type has it.
func TestWhatNewerTypesAddIsRefused(t *testing.T) {
	type resources struct{ NewLimit int64 }
	newer := struct {
		container.HostConfig
		resources
		NewMode string
	}{NewMode: "x", resources: resources{NewLimit: 1}}
	var got []string
	for _, r := range walk("HostConfig", reflect.ValueOf(newer), allHostFields()) {
		got = append(got, r.Field)
	}
	if want := []string{"HostConfig.NewLimit", "HostConfig.NewMode"}; !slices.Equal(got, want) {
		t.Errorf("refused %v, want %v", got, want)
	}
	if found := walk("HostConfig", reflect.ValueOf(container.HostConfig{}), allHostFields()); len(found) > 0 {
		t.Errorf("nothing is asked for, and refused is %v", found)
	}
}

// TestFieldsWithinFieldsAreKnown: what is honoured as a whole has fields of its
// own, which the code that translates it reads one by one. A newer type that has
// more must be looked at there.
func TestFieldsWithinFieldsAreKnown(t *testing.T) {
	for of, want := range map[reflect.Type]string{
		reflect.TypeFor[container.CreateRequest]():     "Config HostConfig NetworkingConfig",
		reflect.TypeFor[network.NetworkingConfig]():    "EndpointsConfig",
		reflect.TypeFor[container.RestartPolicy]():     "Name MaximumRetryCount",
		reflect.TypeFor[container.LogConfig]():         "Type Config",
		reflect.TypeFor[container.HealthConfig]():      "Test Interval Timeout StartPeriod StartInterval Retries",
		reflect.TypeFor[container.DeviceMapping]():     "PathOnHost PathInContainer CgroupPermissions",
		reflect.TypeFor[container.Ulimit]():            "Name Hard Soft",
		reflect.TypeFor[network.PortBinding]():         "HostIP HostPort",
		reflect.TypeFor[mount.Mount]():                 "Type Source Target ReadOnly Consistency BindOptions VolumeOptions ImageOptions TmpfsOptions ClusterOptions",
		reflect.TypeFor[mount.BindOptions]():           "Propagation NonRecursive CreateMountpoint ReadOnlyNonRecursive ReadOnlyForceRecursive",
		reflect.TypeFor[mount.VolumeOptions]():         "NoCopy Labels Subpath DriverConfig",
		reflect.TypeFor[mount.Driver]():                "Name Options",
		reflect.TypeFor[mount.TmpfsOptions]():          "SizeBytes Mode Options",
		reflect.TypeFor[network.IPAM]():                "Driver Options Config",
		reflect.TypeFor[network.IPAMConfig]():          "Subnet IPRange Gateway AuxAddress",
		reflect.TypeFor[container.ExecCreateRequest](): "User Privileged Tty ConsoleSize AttachStdin AttachStderr AttachStdout DetachKeys Env WorkingDir Cmd",
	} {
		var got []string
		for i := range of.NumField() {
			got = append(got, of.Field(i).Name)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s has %v, known are %s", of, got, want)
		}
	}
}

// filled returns a value that is set to something unusual.
func filled(of reflect.Type) reflect.Value {
	v := reflect.New(of).Elem()
	switch of.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(of.Elem()))
		v.Elem().Set(filled(of.Elem()))
	case reflect.Slice:
		v.Set(reflect.Append(v, filled(of.Elem())))
	case reflect.Map:
		v.Set(reflect.MakeMap(of))
		v.SetMapIndex(filled(of.Key()), filled(of.Elem()))
	case reflect.Array:
		v.Index(0).Set(filled(of.Elem()))
	case reflect.Struct:
		if of == reflect.TypeFor[netip.Addr]() {
			return reflect.ValueOf(netip.MustParseAddr("192.0.2.1"))
		}
		for i := range of.NumField() {
			if of.Field(i).IsExported() {
				v.Field(i).Set(filled(of.Field(i).Type))
			}
		}
	case reflect.String:
		v.SetString("unusual")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(7)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(7)
	}
	return v
}

func TestWhatTheCommandLineSendsUnaskedPasses(t *testing.T) {
	host := &container.HostConfig{
		NetworkMode: "default", RestartPolicy: container.RestartPolicy{Name: "no"}, ConsoleSize: [2]uint{24, 80},
		LogConfig: container.LogConfig{Type: "", Config: map[string]string{}}, Binds: []string{},
		Resources: container.Resources{OomKillDisable: new(bool), MemorySwappiness: new(int64(-1)), PidsLimit: new(int64)},
	}
	nets := &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{"default": {}}}
	if err := Check(&container.Config{Image: "a"}, host, nets); err != nil {
		t.Error(err)
	}
	nets.EndpointsConfig["default"].Links = []string{"db"}
	if err := Check(nil, nil, nets); err == nil || err.Error() != "NetworkingConfig.default.Links=[db] is not served by layerlab yet: leave it at its default" {
		t.Error(err)
	}
}

func TestWhatNewerTypesHaveDroppedIsRefused(t *testing.T) {
	for raw, want := range map[string]string{
		`{"HostConfig":{"KernelMemory":7}}`:    "HostConfig.KernelMemory=7",
		`{"HostConfig":{"KernelMemoryTCP":7}}`: "HostConfig.KernelMemoryTCP=7",
		`{"HostConfig":{"KernelMemory":0}}`:    "", `{"HostConfig":null}`: "", `{}`: "", `[]`: "",
	} {
		got := ""
		if err, ok := errors.AsType[*Refusal](CheckDropped("HostConfig", []byte(raw))); ok {
			got = err.Field + "=" + err.Value
		}
		if got != want {
			t.Errorf("%s: %q, want %q", raw, got, want)
		}
	}
	if CheckDropped("", []byte(`{"KernelMemory":7}`)) == nil {
		t.Error("an update of KernelMemory passes")
	}
}
