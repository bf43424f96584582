package policy

import (
	"errors"
	"net/netip"
	"reflect"
	"testing"

	"github.com/moby/moby/api/types/network"
)

// TestEveryFieldOfNetworksIsHonouredOrRefused is for networks and places in them
// what TestEveryFieldIsHonouredOrRefused is for containers.
func TestEveryFieldOfNetworksIsHonouredOrRefused(t *testing.T) {
	count := 0
	check := func(prefix string, of reflect.Type, fields map[string]verdict, ask func(v any) error) {
		known := map[string]bool{}
		for _, f := range reflect.VisibleFields(of) {
			known[f.Name] = true
			v := reflect.New(of).Elem()
			v.FieldByIndex(f.Index).Set(filled(f.Type))
			refusal, refused := errors.AsType[*Refusal](ask(v.Interface()))
			// What a field holds may be refused by the name of a part of it.
			inner := f.Name == "IPAMConfig" || f.Name == "IPAM" || f.Name == "Options"
			if refused == (fields[f.Name].honoured && !inner) || refused && !inner && refusal.Field != prefix+"."+f.Name {
				t.Errorf("%s.%s: refused %v, %v", prefix, f.Name, refused, refusal)
			}
			count++
		}
		for name := range fields {
			if !known[name] {
				t.Errorf("%s has no field %s", prefix, name)
			}
		}
	}
	check("NetworkingConfig.net", reflect.TypeFor[network.EndpointSettings](), endpointFields(), func(v any) error {
		e := v.(network.EndpointSettings)
		return CheckEndpoint("net", &e)
	})
	check("NetworkingConfig.net.IPAMConfig", reflect.TypeFor[network.EndpointIPAMConfig](), ipamFields(), func(v any) error {
		c := v.(network.EndpointIPAMConfig)
		return CheckEndpoint("net", &network.EndpointSettings{IPAMConfig: &c})
	})
	check("Network", reflect.TypeFor[network.CreateRequest](), createFields(), func(v any) error {
		r := v.(network.CreateRequest)
		return CheckNetwork(&r)
	})
	t.Logf("%d fields", count)
}

func TestNetworkOptionsAreRefusedByName(t *testing.T) {
	for name, want := range map[string]string{
		"com.docker.network.bridge.name":       "Network.Options.com.docker.network.bridge.name=x",
		"com.docker.network.bridge.enable_icc": "Network.Options.com.docker.network.bridge.enable_icc=x",
	} {
		err := CheckNetwork(&network.CreateRequest{Options: map[string]string{name: "x"}})
		if err == nil || err.Error() != want+" is not served by layerlab yet: leave it at its default" {
			t.Errorf("%s: %v", name, err)
		}
	}
	fine := &network.CreateRequest{
		Name: "n", Driver: "bridge", EnableIPv6: new(bool), Options: map[string]string{"com.docker.network.bridge.enable_icc": "true"},
		IPAM: &network.IPAM{Driver: "default", Config: []network.IPAMConfig{{Subnet: netip.MustParsePrefix("10.1.0.0/16")}}},
	}
	if err := CheckNetwork(fine); err != nil {
		t.Error(err)
	}
}
