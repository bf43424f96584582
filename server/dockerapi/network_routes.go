//go:build linux

package dockerapi

import (
	"encoding/binary"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/moby/moby/api/types/network"

	"github.com/layerlab/layerlab/server/dockerapi/policy"
	"github.com/layerlab/layerlab/server/dockerapi/settings"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// networkTable lists the routes of networks.
func (h *Handler) networkTable() []route {
	const get, post, del = http.MethodGet, http.MethodPost, http.MethodDelete
	return []route{
		{method: get, pattern: "/networks", do: h.networkList},
		{method: post, pattern: "/networks/create", do: h.networkCreate},
		{method: post, pattern: "/networks/prune", do: h.networkPrune},
		{method: get, pattern: "/networks/{name}", do: h.networkInspect},
		{method: del, pattern: "/networks/{name}", do: h.networkRemove},
		{method: post, pattern: "/networks/{name}/connect", do: h.networkConnect},
		{method: post, pattern: "/networks/{name}/disconnect", do: h.networkDisconnect},
	}
}

func (h *Handler) networkList(c *call) error {
	f, err := c.filters("driver", "type", "name", "id", "label", "label!", "scope", "dangling")
	if err != nil {
		return err
	}
	dangling, err := f.truth("dangling")
	if err != nil {
		return err
	}
	for _, v := range f["type"] {
		if v != "builtin" && v != "custom" {
			return invalid("invalid filter 'type=%s'", v)
		}
	}
	list, err := h.Networks.List(c.r.Context())
	if err != nil {
		return err
	}
	used, err := h.usedNetworks(c, dangling != nil)
	if err != nil {
		return err
	}
	out := []network.Summary{}
	for _, n := range list {
		kind := "custom"
		if n.Builtin {
			kind = "builtin"
		}
		if f.any("driver", func(v string) bool { return v == n.Driver }) &&
			f.any("type", func(v string) bool { return v == kind }) &&
			f.matches("name", n.Name) &&
			f.matches("id", n.ID) &&
			f.any("scope", func(v string) bool { return v == "local" }) &&
			(dangling == nil || *dangling == (!n.Builtin && !used[n.ID])) && f.labels(n.Labels) {
			out = append(out, network.Summary{Network: inspectNetwork(n)})
		}
	}
	if c.version > 27 {
		return c.json(http.StatusOK, out)
	}
	whole := []network.Inspect{} // lists had the containers, too
	for _, one := range out {
		n, err := h.Networks.Get(c.r.Context(), one.ID)
		if err != nil {
			continue // removed meanwhile
		}
		whole = append(whole, inspectMembers(n))
	}
	return c.json(http.StatusOK, whole)
}

// usedNetworks tells which networks a container is in, running or not.
func (h *Handler) usedNetworks(c *call, wanted bool) (map[string]bool, error) {
	used := map[string]bool{}
	if !wanted {
		return used, nil
	}
	list, err := h.Containers.List(c.r.Context())
	if err != nil {
		return nil, err
	}
	for _, one := range list {
		d, err := h.Containers.Detail(c.r.Context(), one.ID)
		if err != nil {
			continue // removed meanwhile
		}
		for _, e := range d.Endpoints {
			used[e.Network] = true
		}
	}
	return used, nil
}

func inspectNetwork(n wire.Network) network.Network {
	v := network.Network{
		Name: n.Name, ID: n.ID, Created: n.CreatedAt, Scope: "local", Driver: n.Driver, EnableIPv4: true,
		IPAM: network.IPAM{Driver: "default", Options: map[string]string{}, Config: []network.IPAMConfig{}}, Internal: n.Internal, Attachable: n.Attachable,
		Options: n.Options, Labels: n.Labels,
	}
	if subnet, err := netip.ParsePrefix(n.Subnet); err == nil {
		config := network.IPAMConfig{Subnet: subnet}
		config.Gateway, _ = netip.ParseAddr(n.Gateway)
		config.IPRange, _ = netip.ParsePrefix(n.IPRange)
		v.IPAM.Config = append(v.IPAM.Config, config)
	}
	return v
}

func (h *Handler) networkInspect(c *call) error {
	if scope := c.query("scope"); scope != "" && scope != "local" {
		return networkError(notANetwork(c.path["name"]))
	}
	n, err := h.Networks.Get(c.r.Context(), c.path["name"])
	if err != nil {
		return networkError(err)
	}
	v := inspectMembers(n)
	if c.version >= 52 {
		v.Status = addressStatus(v)
	}
	return c.json(http.StatusOK, v)
}

// addressStatus counts the addresses of a network's subnets: the subnet's own,
// its broadcast address and the gateway are in use, too.
func addressStatus(n network.Inspect) *network.Status {
	status := &network.Status{}
	for _, config := range n.IPAM.Config {
		subnet, within := config.Subnet.Masked(), config.Subnet.Masked()
		if config.IPRange.IsValid() {
			within = config.IPRange.Masked()
		}
		first, last := ends(subnet)
		used := map[netip.Addr]bool{first: true, last: true}
		if config.Gateway.IsValid() {
			used[config.Gateway] = true
		}
		for _, e := range n.Containers {
			if a := e.IPv4Address.Addr(); subnet.Contains(a) {
				used[a] = true
			}
		}
		free := uint64(1) << (32 - within.Bits())
		for a := range used {
			if within.Contains(a) {
				free--
			}
		}
		if status.IPAM.Subnets == nil {
			status.IPAM.Subnets = network.SubnetStatuses{}
		}
		status.IPAM.Subnets[subnet] = network.SubnetStatus{IPsInUse: uint64(len(used)), DynamicIPsAvailable: free}
	}
	return status
}

// ends are the first and the last address of an IPv4 subnet.
func ends(subnet netip.Prefix) (first, last netip.Addr) {
	first = subnet.Masked().Addr()
	b := first.As4()
	binary.BigEndian.PutUint32(b[:], binary.BigEndian.Uint32(b[:])|(1<<(32-subnet.Bits())-1))
	return first, netip.AddrFrom4(b)
}

// inspectMembers tells of the containers, too.
func inspectMembers(n wire.Network) network.Inspect {
	v := network.Inspect{Network: inspectNetwork(n), Containers: map[string]network.EndpointResource{}}
	for _, e := range n.Endpoints {
		r := network.EndpointResource{Name: e.ContainerName, EndpointID: e.ID}
		r.IPv4Address, _ = netip.ParsePrefix(e.Address)
		_ = r.MacAddress.UnmarshalText([]byte(e.MAC)) // made by the service
		v.Containers[e.Container] = r
	}
	return v
}

func notANetwork(name string) error {
	return &refusal{http.StatusNotFound, "network " + name + " not found"}
}

func (h *Handler) networkCreate(c *call) error {
	var req network.CreateRequest
	if err := c.body(&req); err != nil {
		return err
	}
	if err := policy.CheckNetwork(&req); err != nil {
		return err
	}
	want, err := settings.NewNetwork(&req)
	if err != nil {
		return err
	}
	n, err := h.Networks.Create(c.r.Context(), want)
	if err != nil {
		return networkError(err)
	}
	return c.json(http.StatusCreated, network.CreateResponse{ID: n.ID})
}

func (h *Handler) networkRemove(c *call) error {
	if err := h.Networks.Remove(c.r.Context(), c.path["name"]); err != nil {
		return networkError(err)
	}
	return c.none()
}

func (h *Handler) networkPrune(c *call) error {
	f, err := c.filters("until", "label", "label!")
	if err != nil {
		return err
	}
	until := time.Now()
	if f.has("until") {
		if until, err = moment(f["until"][0], time.Now()); err != nil {
			return err
		}
	}
	names, err := h.Networks.Prune(c.r.Context(), func(n wire.Network) bool { return !n.CreatedAt.After(until) && f.labels(n.Labels) })
	if err != nil {
		return err
	}
	h.pruned("network", 0)
	return c.json(http.StatusOK, network.PruneReport{NetworksDeleted: slices.Clone(names)})
}

func (h *Handler) networkConnect(c *call) error {
	var req network.ConnectRequest
	if err := c.body(&req); err != nil {
		return err
	}
	name := c.path["name"]
	if err := policy.CheckEndpoint(name, req.EndpointConfig); err != nil {
		return err
	}
	want := settings.Join(req.EndpointConfig)
	want.Container = req.Container
	if err := h.Networks.Connect(c.r.Context(), name, want); err != nil {
		return containerError(req.Container, networkError(err))
	}
	return c.none200()
}

func (h *Handler) networkDisconnect(c *call) error {
	var req network.DisconnectRequest
	if err := c.body(&req); err != nil {
		return err
	}
	if err := h.Networks.Disconnect(c.r.Context(), c.path["name"], req.Container); err != nil {
		return containerError(req.Container, networkError(err))
	}
	return c.none200()
}

// none200 is an empty answer where Docker says 200 rather than 204.
func (c *call) none200() error {
	c.head(http.StatusOK)
	return nil
}

// networkError gives an error about networks the status that Docker has for it.
func networkError(err error) error {
	status := map[string]int{
		"network-not-found": http.StatusNotFound,
		"network-builtin":   http.StatusForbidden, "network-in-use": http.StatusForbidden, "network-joined": http.StatusForbidden,
		"network-not-joined": http.StatusForbidden, "network-conflict": http.StatusForbidden, "subnet-overlaps": http.StatusForbidden,
		"address-taken": http.StatusForbidden, "no-subnet": http.StatusForbidden, "port-taken": http.StatusInternalServerError,
	}[code(err)]
	if status == 0 {
		return err
	}
	return &refusal{status, err.Error()}
}
