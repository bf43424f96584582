//go:build linux

package networks

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/runtime/network"
	"github.com/layerlab/layerlab/runtime/network/egress"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// Options are what a Service needs of others. All fields but AllowHost and
// Egress are needed.
type Options struct {
	Run     string // RUN; pins and sockets of helpers lie in it under short names
	Bucket  Bucket // of meta.db, the service's own
	Events  Events
	Helpers Helpers
	// Bridge is the address of the default network's bridge, with its length.
	Bridge netip.Prefix
	// Publish is where ports are published that name no address of the host.
	Publish netip.Addr
	// AllowHost lets containers stand in the host's own network.
	AllowHost bool
	// Egress is the way out; nil: there is none.
	Egress Egress
	Now    func() time.Time
	Log    *slog.Logger
}

// Events tells who listens what happened.
type Events interface {
	Publish(kind, id string, data any) error // kept
	Send(kind, id string, data any) error    // not kept
}

// Helpers starts helpers and finds them again. Tests put a fake in its place.
type Helpers interface {
	Start(ctx context.Context, n network.Network) (Helper, error)
	// Dial finds one that runs; network.ErrGone says that there is none.
	Dial(ctx context.Context, socket string) (Helper, *network.State, error)
	// Clean removes what a helper that has gone left behind.
	Clean(ctx context.Context, n network.Network) error
	// CutOff closes the way out of a network, if one is open.
	CutOff(ctx context.Context, n network.Network) error
}

// Helper is one network's helper; network.Client documents the methods.
type Helper interface {
	State(ctx context.Context) (*network.State, error)
	Join(ctx context.Context, e network.Endpoint, t network.Target) ([]network.Port, error)
	Leave(ctx context.Context, id string, ended bool) error
	SetNames(ctx context.Context, names network.Names) error
	SetWay(ctx context.Context, out bool, servers []netip.AddrPort) error
	Watch(ctx context.Context, ready func(), tell func(network.Event)) error
	End(ctx context.Context) error
}

// Egress is the way out of networks.
type Egress interface {
	// Servers are the resolvers that the host asks itself.
	Servers() []netip.AddrPort
	// Start opens the way out of a network whose helper runs; it ends with the
	// helper. One that is open already stays.
	Start(ctx context.Context, n network.Network) error
	// Watch tells what is refused until ctx ends or the way closes.
	Watch(ctx context.Context, n network.Network, tell func(egress.Event)) error
	// Allowed says whether an address may be reached.
	Allowed(a netip.Addr) bool
}

// Target opens the process and the namespace of a container that lives; the
// caller closes both.
type Target func(ctx context.Context) (network.Target, error)

// Service is the networks of one data folder. It is safe for concurrent use.
//
// Of its locks, a member's op comes first, then a network's line, then mu, which
// nothing is waited for under but meta.db.
type Service struct {
	o     Options
	table table

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	work   sync.WaitGroup

	mu      sync.Mutex
	nets    map[string]*netRecord
	lines   map[string]*line // by network
	members map[string]*member
}

// member is a container in memory.
type member struct {
	op     sync.Mutex // one change of what is plugged in at a time
	rec    memberRecord
	target Target // nil unless it lives
}

// Open reads the records and makes the networks that are always there. What
// runs is found by Recover, once the containers are known.
func Open(ctx context.Context, o Options) (*Service, error) {
	s := &Service{o: o, table: table{o.Bucket}, nets: map[string]*netRecord{}, lines: map[string]*line{}, members: map[string]*member{}}
	if err := os.MkdirAll(filepath.Join(o.Run, "n"), 0o700); err != nil {
		return nil, err
	}
	nets, members, err := s.table.all()
	if err != nil {
		return nil, fmt.Errorf("read networks: %w", err)
	}
	for _, n := range nets {
		s.nets[n.ID], s.lines[n.ID] = &n, &line{}
	}
	for _, m := range members {
		s.members[m.ID] = &member{rec: m}
	}
	if err := s.builtin(); err != nil {
		return nil, err
	}
	s.ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	return s, nil
}

// Close lets go of all helpers, which go on where containers need them.
func (s *Service) Close() error {
	s.cancel()
	s.work.Wait()
	return nil
}

// builtin makes the networks that Docker always has.
func (s *Service) builtin() error {
	for _, want := range []netRecord{
		{Name: nameBridge, Driver: driverBridge, Subnet: s.o.Bridge.Masked(), Gateway: s.o.Bridge.Addr()},
		{Name: nameHost, Driver: driverHost},
		{Name: nameNone, Driver: driverNull},
	} {
		have := s.byName(want.Name)
		switch {
		case have == nil:
			want.ID, want.Created, want.Builtin = newID(), s.o.Now().UTC(), true
			have = &want
		case have.Subnet == want.Subnet && have.Gateway == want.Gateway:
			continue
		case s.inUse(have.ID):
			s.o.Log.Warn("default network keeps its addresses until no container runs in it", "subnet", have.Subnet.String())
			continue
		default:
			have.Subnet, have.Gateway = want.Subnet, want.Gateway
		}
		if err := s.table.putNet(*have); err != nil {
			return fmt.Errorf("record network %s: %w", have.Name, err)
		}
		s.nets[have.ID] = have
		if s.lines[have.ID] == nil {
			s.lines[have.ID] = &line{}
		}
	}
	return nil
}

func (s *Service) byName(name string) *netRecord {
	for _, n := range s.nets {
		if n.Name == name {
			return n
		}
	}
	return nil
}

// inUse says whether a container has an address in the network.
func (s *Service) inUse(id string) bool {
	for _, m := range s.members {
		if _, is := m.rec.Places[id]; is {
			return true
		}
	}
	return false
}

// find takes a name, an id, or a prefix of one; the caller holds mu.
func (s *Service) find(ref string) (*netRecord, error) {
	if n := s.nets[ref]; n != nil {
		return n, nil
	}
	if n := s.byName(ref); n != nil {
		return n, nil
	}
	var found *netRecord
	for id, n := range s.nets {
		if ref != "" && strings.HasPrefix(id, ref) {
			if found != nil {
				return nil, imagecore.NewError(imagecore.ErrAmbiguous, "network-ambiguous",
					fmt.Sprintf("network %s is ambiguous (2 matches found based on ID prefix)", ref), "network", ref)
			}
			found = n
		}
	}
	if found == nil {
		return nil, notFound(ref)
	}
	return found, nil
}

func notFound(ref string) error {
	return imagecore.NewError(imagecore.ErrNotFound, "network-not-found", fmt.Sprintf("network %s not found", ref), "network", ref)
}

// List returns all networks, by name.
func (s *Service) List(context.Context) ([]wire.Network, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]wire.Network, 0, len(s.nets))
	for _, n := range s.nets {
		list = append(list, s.view(n))
	}
	sort.Slice(list, func(i, j int) bool {
		if list[i].Name != list[j].Name {
			return list[i].Name < list[j].Name
		}
		return list[i].ID < list[j].ID
	})
	return list, nil
}

// Get returns one network, by name, id or prefix of one.
func (s *Service) Get(_ context.Context, ref string) (wire.Network, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, err := s.find(ref)
	if err != nil {
		return wire.Network{}, err
	}
	return s.view(n), nil
}

func (s *Service) view(n *netRecord) wire.Network {
	v := wire.Network{
		ID: n.ID, Name: n.Name, Driver: n.Driver, CreatedAt: n.Created, Internal: n.Internal, Attachable: n.Attachable, Builtin: n.Builtin,
		Egress: s.out(n), Labels: map[string]string{}, Options: map[string]string{}, Endpoints: []wire.Endpoint{},
	}
	maps.Copy(v.Labels, n.Labels)
	maps.Copy(v.Options, n.Options)
	if n.Subnet.IsValid() {
		v.Subnet, v.Gateway = n.Subnet.String(), n.Gateway.String()
	}
	if n.IPRange.IsValid() {
		v.IPRange = n.IPRange.String()
	}
	for _, m := range s.members {
		if _, here := m.rec.Places[n.ID]; here {
			v.Endpoints = append(v.Endpoints, s.endpoint(&m.rec, n))
		}
	}
	sort.Slice(v.Endpoints, func(i, j int) bool {
		a, _ := netip.ParsePrefix(v.Endpoints[i].Address)
		b, _ := netip.ParsePrefix(v.Endpoints[j].Address)
		return a.Addr().Less(b.Addr())
	})
	return v
}

// endpoint is a container's place in a network as others see it.
func (s *Service) endpoint(m *memberRecord, n *netRecord) wire.Endpoint {
	joined := m.Joined[n.ID]
	e := wire.Endpoint{
		Network: n.ID, NetworkName: n.Name, Container: m.ID, ContainerName: m.Name,
		Aliases: append([]string{}, joined.Aliases...), Names: []string{}, Ports: []wire.PublishedPort{},
	}
	if n.named() {
		e.Names = namesOf(m, joined)
	}
	if p, is := m.Places[n.ID]; is {
		e.ID, e.Interface, e.MAC = p.Endpoint, p.Interface, p.MAC
		e.Address, e.Gateway = netip.PrefixFrom(p.Address, n.Subnet.Bits()).String(), n.Gateway.String()
		e.Ports = append(e.Ports, p.Ports...)
	}
	return e
}

// Endpoints returns a container's networks, by name, with addresses while it
// runs. A container that is not known has none.
func (s *Service) Endpoints(id string) []wire.Endpoint {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []wire.Endpoint{}
	m := s.members[id]
	if m == nil {
		return list
	}
	for net := range m.rec.Joined {
		if n := s.nets[net]; n != nil {
			list = append(list, s.endpoint(&m.rec, n))
		}
	}
	sort.Slice(list, func(i, j int) bool { return list[i].NetworkName < list[j].NetworkName })
	return list
}

// out says whether there is a way out of a network.
func (s *Service) out(n *netRecord) bool {
	return s.o.Egress != nil && n.Driver == driverBridge && !n.Internal
}

// validName is Docker's rule for names of networks.
var validName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]*$`)

// Create makes a network. Codes: bad-network, network-exists, network-builtin,
// no-subnet, subnet-overlaps, network-driver.
func (s *Service) Create(_ context.Context, req wire.CreateNetwork) (wire.Network, error) {
	switch req.Name {
	case "default", nameBridge, nameHost, nameNone:
		return wire.Network{}, imagecore.NewError(imagecore.ErrConflict, "network-builtin",
			fmt.Sprintf("operation is not permitted on predefined %s network", req.Name), "network", req.Name)
	}
	if !validName.MatchString(req.Name) {
		return wire.Network{}, badNetwork("invalid network name %q: only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed", req.Name)
	}
	if req.Driver != "" && req.Driver != driverBridge && req.Driver != "default" {
		return wire.Network{}, imagecore.NewError(imagecore.ErrNotFound, "network-driver",
			fmt.Sprintf("could not find plugin %s in v1 plugin registry: plugin not found", req.Driver), "driver", req.Driver)
	}
	n := netRecord{
		ID: newID(), Name: req.Name, Driver: driverBridge, Created: s.o.Now().UTC(),
		Internal: req.Internal, Attachable: req.Attachable, Labels: req.Labels, Options: req.Options,
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byName(req.Name) != nil {
		return wire.Network{}, imagecore.NewError(imagecore.ErrExists, "network-exists",
			fmt.Sprintf("network with name %s already exists", req.Name), "network", req.Name)
	}
	if err := s.addresses(&n, req); err != nil {
		return wire.Network{}, err
	}
	if err := s.table.putNet(n); err != nil {
		return wire.Network{}, fmt.Errorf("record network %s: %w", n.Name, err)
	}
	s.nets[n.ID], s.lines[n.ID] = &n, &line{}
	v := s.view(&n)
	s.tell(wire.EventNetworkCreated, n.ID, v)
	return v, nil
}

// addresses decides subnet, gateway and range of a new network.
func (s *Service) addresses(n *netRecord, req wire.CreateNetwork) error {
	used := []netip.Prefix{}
	for _, other := range s.nets {
		if other.Subnet.IsValid() {
			used = append(used, other.Subnet)
		}
	}
	var err error
	if req.Subnet == "" {
		if req.Gateway != "" || req.IPRange != "" {
			return badNetwork("a gateway or range of addresses needs a subnet: give --subnet")
		}
		n.Subnet, err = pickSubnet(used)
	} else if n.Subnet, err = parseSubnet(req.Subnet); err == nil && overlapsAny(n.Subnet, used) {
		err = imagecore.NewError(imagecore.ErrConflict, "subnet-overlaps",
			"invalid pool request: Pool overlaps with other one on this address space", "subnet", req.Subnet)
	}
	if err != nil {
		return err
	}
	n.Chosen = req.Subnet != ""
	n.Gateway = n.Subnet.Addr().Next()
	if req.IPRange != "" {
		if n.IPRange, err = netip.ParsePrefix(req.IPRange); err != nil {
			return badNetwork("invalid ip-range %s: %v", req.IPRange, err)
		}
		n.IPRange = n.IPRange.Masked()
		if !n.Subnet.Contains(n.IPRange.Addr()) || n.IPRange.Bits() < n.Subnet.Bits() {
			return badNetwork("invalid ip-range %s: it does not lie in the subnet %s", req.IPRange, n.Subnet)
		}
	}
	if req.Gateway != "" {
		if n.Gateway, err = netip.ParseAddr(req.Gateway); err != nil || !usable(n.Subnet, n.Gateway) {
			return badNetwork("no matching subnet for gateway %s", req.Gateway)
		}
	}
	return nil
}

// Remove removes a network that no container has an address in. Stopped ones
// keep their wish, and find it missing at their next start.
func (s *Service) Remove(ctx context.Context, ref string) error {
	s.mu.Lock()
	n, err := s.find(ref)
	if err == nil && n.Builtin {
		err = imagecore.NewError(imagecore.ErrConflict, "network-builtin", n.Name+" is a pre-defined network and cannot be removed", "network", n.Name)
	}
	if err == nil {
		err = s.mustBeEmpty(n)
	}
	if err == nil {
		err = s.table.delete("n/" + n.ID)
	}
	if err != nil {
		s.mu.Unlock()
		return err
	}
	l := s.lines[n.ID]
	delete(s.nets, n.ID)
	delete(s.lines, n.ID)
	s.mu.Unlock()
	s.tell(wire.EventNetworkDeleted, n.ID, map[string]string{"name": n.Name})
	if err := s.endHelper(ctx, l, *n); err != nil {
		return fmt.Errorf("remove network %s: %w", n.Name, err)
	}
	return nil
}

func (s *Service) mustBeEmpty(n *netRecord) error {
	var active []string
	for _, m := range s.members {
		if p, is := m.rec.Places[n.ID]; is {
			active = append(active, fmt.Sprintf("name:%q id:%q", m.rec.Name, p.Endpoint[:12]))
		}
	}
	if len(active) == 0 {
		return nil
	}
	sort.Strings(active)
	return imagecore.NewError(imagecore.ErrConflict, "network-in-use",
		fmt.Sprintf("error while removing network: network %s has active endpoints (%s)", n.Name, strings.Join(active, ", ")), "network", n.Name)
}

// Prune removes the networks that keep says yes to and that no container is to
// be in, whether it runs or not. It returns their names.
func (s *Service) Prune(ctx context.Context, keep func(wire.Network) bool) ([]string, error) {
	s.mu.Lock()
	var list []wire.Network
	for _, n := range s.nets {
		used := false
		for _, m := range s.members {
			if _, is := m.rec.Joined[n.ID]; is {
				used = true
			}
		}
		if v := s.view(n); !n.Builtin && !used && keep(v) {
			list = append(list, v)
		}
	}
	s.mu.Unlock()
	sort.Slice(list, func(i, j int) bool { return list[i].Name < list[j].Name })
	var gone []string
	var errs []error
	for _, n := range list {
		switch err := s.Remove(ctx, n.ID); {
		case err == nil:
			gone = append(gone, n.Name)
		case errors.Is(err, imagecore.ErrConflict), errors.Is(err, imagecore.ErrNotFound): // used or removed meanwhile
		default:
			errs = append(errs, err)
		}
	}
	return gone, errors.Join(errs...)
}

// tell publishes an event; that it could not be kept must not undo what has
// happened.
func (s *Service) tell(kind, id string, data any) {
	if err := s.o.Events.Publish(kind, id, data); err != nil {
		s.o.Log.Error("event lost", "kind", kind, "id", id, "err", err)
	}
}

func newID() string {
	var b [32]byte
	rand.Read(b[:]) // never fails, crypto/rand
	return hex.EncodeToString(b[:])
}
